//! Progress of long work, on standard error and only where somebody is looking.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar towards a known length; hidden unless standard error is a terminal.
#[must_use]
pub fn bar(length: u64, unit: &str) -> ProgressBar {
    let template =
        format!("{{spinner}} {{wide_bar}} {{pos}}/{{len}} {unit}, {{eta}} left  {{msg}}");
    styled(
        ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr()),
        &template,
    )
}

/// A spinner for work of unknown length.
#[must_use]
pub fn spinner(what: &str) -> ProgressBar {
    let template = format!("{{spinner}} {what}, {{elapsed}}  {{msg}}");
    styled(
        ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
        &template,
    )
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
