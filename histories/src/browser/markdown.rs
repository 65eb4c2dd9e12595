//! The little Markdown that our own READMEs use, as HTML: headings, lists, tables, fences, bold and code.
//! Whatever else a text holds stays text.

use super::template::escape;

/// What the lines are within.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    None,
    Paragraph,
    List,
    Table,
    Fence,
}

impl Block {
    fn opens(self) -> &'static str {
        match self {
            Block::None => "",
            Block::Paragraph => "<p>",
            Block::List => "<ul>\n",
            Block::Table => "<table>\n",
            Block::Fence => "<pre>",
        }
    }

    fn closes(self) -> &'static str {
        match self {
            Block::None => "",
            Block::Paragraph => "</p>\n",
            Block::List => "</ul>\n",
            Block::Table => "</table>\n",
            Block::Fence => "</pre>\n",
        }
    }
}

/// The text as HTML; its headings are of the third rank and below.
pub(super) fn html(text: &str) -> String {
    let (mut out, mut block) = (String::new(), Block::None);
    for line in text.lines() {
        let fence = line.starts_with("```");
        let now = match (block, line) {
            (Block::Fence, _) if fence => Block::None,
            (Block::Fence, _) => Block::Fence,
            _ if fence => Block::Fence,
            (_, "") => Block::None,
            _ if line.starts_with('#') => Block::None,
            _ if line.starts_with("- ") => Block::List,
            _ if line.starts_with('|') => Block::Table,
            _ => Block::Paragraph,
        };
        let first = now != block;
        if first {
            out.push_str(block.closes());
            out.push_str(now.opens());
            block = now;
        }
        if fence {
            continue;
        }
        match now {
            Block::None => out.push_str(&heading(line)),
            Block::Paragraph if first => out.push_str(&inline(line)),
            Block::Paragraph => out.push_str(&format!("\n{}", inline(line))),
            Block::List => out.push_str(&format!("<li>{}</li>\n", inline(&line[2..]))),
            Block::Table => out.push_str(&row(line, if first { "th" } else { "td" })),
            Block::Fence => out.push_str(&format!("{}\n", escape(line))),
        }
    }
    out.push_str(block.closes());
    out
}

fn heading(line: &str) -> String {
    let words = line.trim_start_matches('#');
    let rank = match line.len() - words.len() {
        0 => return String::new(),
        rank => (rank + 2).min(6),
    };
    format!("<h{rank}>{}</h{rank}>\n", inline(words.trim()))
}

fn row(line: &str, cell: &str) -> String {
    let inside = line.trim_matches('|');
    if inside.chars().all(|c| matches!(c, '-' | '|' | ':' | ' ')) {
        return String::new();
    }
    let cells = inside.split('|').map(|words| {
        let words = inline(words.trim());
        format!("<{cell}>{words}</{cell}>")
    });
    format!("<tr>{}</tr>\n", cells.collect::<String>())
}

/// Bold and code; within code nothing is bold.
fn inline(text: &str) -> String {
    let mut out = String::new();
    for (place, part) in text.split('`').enumerate() {
        let part = escape(part);
        if place % 2 == 1 {
            out.push_str(&format!("<code>{part}</code>"));
            continue;
        }
        for (place, words) in part.split("**").enumerate() {
            match place % 2 {
                1 => out.push_str(&format!("<b>{words}</b>")),
                _ => out.push_str(words),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_block_of_a_readme_is_what_it_looks_like() {
        let text = "# A\n\nOne `x<1` **two**\nthree.\n- **1 ms** n1 leads.\n- n2.\n\n| a | b |\n|---|---|\n| 1 | `2` |\n\n\
                    ```diff\n-   if **a** {\n```\n## B\n";
        let due = "<h3>A</h3>\n<p>One <code>x&lt;1</code> <b>two</b>\nthree.</p>\n<ul>\n<li><b>1 ms</b> n1 \
                   leads.</li>\n<li>n2.</li>\n</ul>\n<table>\n<tr><th>a</th><th>b</th></tr>\n<tr><td>1</td>\
                   <td><code>2</code></td></tr>\n</table>\n<pre>-   if **a** {\n</pre>\n<h4>B</h4>\n";
        assert_eq!(html(text), due);
    }

    #[test]
    fn nothing_in_a_text_becomes_an_element_of_its_own() {
        for evil in [
            "<script>",
            "# <b>",
            "- <img src=x>",
            "| <i> |",
            "```\n<p>\n",
            "`<a>`",
            "**<u>**",
        ] {
            let page = html(evil);
            let inside = page.replace("&lt;", "");
            for tag in ["script", "img", "<i>", "<a>", "<u>"] {
                assert!(
                    !inside.contains(&format!("<{}", tag.trim_start_matches('<'))),
                    "{page}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_closed_ends_with_the_text() {
        assert_eq!(html("```\nx"), "<pre>x\n</pre>\n");
        assert_eq!(html("a `b **c"), "<p>a <code>b **c</code></p>\n");
    }
}
