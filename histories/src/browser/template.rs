//! Text into HTML: one pass over a skeleton, so that what is filled in is never looked at again.

/// Fills `{{name}}` by what the name stands for, once: a value that contains braces stays as it is.
///
/// # Panics
/// If the skeleton uses a name that has no value: a mistake in this crate.
#[must_use]
pub fn fill(skeleton: &str, values: &[(&str, &str)]) -> String {
    let mut page = String::with_capacity(
        skeleton.len() + values.iter().map(|(_, value)| value.len()).sum::<usize>(),
    );
    let mut rest = skeleton;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after
            .split_once("}}")
            .expect("a skeleton closes its braces, because it is a part of this crate");
        let value = values.iter().find(|(known, _)| *known == name);
        let Some((_, value)) = value else {
            panic!("a page has no {name}");
        };
        page.push_str(before);
        page.push_str(value);
        rest = after;
    }
    page.push_str(rest);
    page
}

/// Text for an element or an attribute in double quotes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Marks that turn the direction of text could show an operation as another.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// JSON for a `<script type="application/json">`: nothing in it can end the element or begin a comment.
#[must_use]
pub fn for_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_is_not_filled_again() {
        let page = fill("a {{x}} b {{y}}", &[("x", "{{y}}"), ("y", "{{")]);
        assert_eq!(page, "a {{y}} b {{");
    }

    #[test]
    fn json_can_not_end_its_element() {
        let json = serde_json::to_string("</script><!--").unwrap();
        let safe = for_script(&json);
        assert!(!safe.contains('<'));
        assert_eq!(
            serde_json::from_str::<String>(&safe).unwrap(),
            "</script><!--"
        );
    }
}
