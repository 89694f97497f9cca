//! The small change of HTML: escaped text, identifiers, data in links.

use std::fmt::Write;

pub(crate) use crate::figure::svg::escape;

/// Escaped text, with what stands between backticks as code.
pub(crate) fn inline(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // An odd backtick belongs to nothing: leave the text as it is.
    if parts.len().is_multiple_of(2) {
        return escape(text);
    }
    let mut out = String::new();
    for (i, part) in parts.iter().enumerate() {
        if i % 2 == 1 {
            let _ = write!(out, "<code>{}</code>", escape(part));
        } else {
            out.push_str(&escape(part));
        }
    }
    out
}

/// A heading as an identifier: letters, digits, hyphens.
pub(crate) fn slug(heading: &str) -> String {
    let mut out = String::new();
    for c in heading.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
    }
    let out = out.trim_end_matches('-');
    if out.is_empty() {
        "section".into()
    } else {
        out.into()
    }
}

/// A link that carries a CSV text within itself.
pub(crate) fn csv_link(file: &str, csv: &str) -> String {
    let mut data = String::with_capacity(csv.len() * 3 / 2);
    for byte in csv.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b',' | b'.' | b'-' | b'_' => {
                data.push(char::from(byte));
            }
            _ => {
                let _ = write!(data, "%{byte:02X}");
            }
        }
    }
    let file = escape(file);
    format!(
        "<a class=\"data\" download=\"{file}\" href=\"data:text/csv;charset=utf-8,{data}\">{file}</a>"
    )
}

/// Whether a link leads to a file below the page: relative, without a scheme,
/// and never up.
pub(crate) fn is_local(href: &str) -> bool {
    let plain = |c: char| !c.is_control() && c != '\\' && c != ':' && c != ' ';
    !href.is_empty()
        && !href.starts_with('/')
        && href.chars().all(plain)
        && href.split('/').all(|part| part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_in_backticks() {
        assert_eq!(
            inline("set `a < b` & go"),
            "set <code>a &lt; b</code> &amp; go"
        );
        assert_eq!(inline("a lone ` tick"), "a lone ` tick");
    }

    #[test]
    fn slugs() {
        assert_eq!(
            slug("What this run can, and cannot, say"),
            "what-this-run-can-and-cannot-say"
        );
        assert_eq!(slug("…"), "section");
    }

    #[test]
    fn links_stay_below_the_page() {
        for good in ["table.csv", "figures/accuracy.svg", "runs/a/../a.json.x"] {
            assert_eq!(is_local(good), !good.contains(".."), "{good}");
        }
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "https://a.b",
            "javascript:alert(1)",
            "a\\b",
            "//a.b",
        ] {
            assert!(!is_local(bad), "{bad}");
        }
    }

    #[test]
    fn data_reads_back() {
        let csv = "a,b\n\"x, y\",−1.5\n";
        let link = csv_link("t.csv", csv);
        let start = link.find("utf-8,").unwrap() + 6;
        let data = &link[start..link[start..].find('"').unwrap() + start];
        let mut bytes = Vec::new();
        let mut rest = data.bytes();
        while let Some(b) = rest.next() {
            if b == b'%' {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                let hex = std::str::from_utf8(&hex).unwrap().to_owned();
                bytes.push(u8::from_str_radix(&hex, 16).unwrap());
            } else {
                bytes.push(b);
            }
        }
        assert_eq!(String::from_utf8(bytes).unwrap(), csv);
    }
}
