//! The name of a project: what may be a processor, a crate, a package and a module at once.

use crate::{config::processor_name, exit::Misuse};

/// Words that a language or its tools keep for themselves, as names of a crate, a package or a module.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "and",
    "as",
    "assert",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "case",
    "chan",
    "class",
    "const",
    "continue",
    "core",
    "crate",
    "def",
    "default",
    "defer",
    "del",
    "deps",
    "do",
    "dyn",
    "elif",
    "else",
    "enum",
    "except",
    "export",
    "extern",
    "fallthrough",
    "false",
    "final",
    "finally",
    "fn",
    "for",
    "from",
    "func",
    "function",
    "gen",
    "global",
    "go",
    "goto",
    "if",
    "impl",
    "import",
    "in",
    "incremental",
    "interface",
    "internal",
    "is",
    "lambda",
    "let",
    "loop",
    "macro",
    "main",
    "map",
    "match",
    "mod",
    "move",
    "mut",
    "node_modules",
    "none",
    "nonlocal",
    "not",
    "null",
    "or",
    "override",
    "package",
    "pass",
    "priv",
    "proc_macro",
    "proc-macro",
    "pub",
    "python",
    "raise",
    "range",
    "ref",
    "return",
    "select",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "switch",
    "test",
    "tidemill",
    "tidemill-sdk",
    "tidemill_sdk",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "var",
    "vendor",
    "virtual",
    "where",
    "while",
    "with",
    "wit",
    "yield",
];

/// What is wrong with a name, if anything is, and a better one.
pub(super) fn check(name: &str) -> Result<(), Misuse> {
    let letter = name.starts_with(|first: char| first.is_ascii_lowercase());
    let rule = if processor_name(name).is_err() || !letter {
        "a name has 1 to 63 characters of `a-z`, `0-9`, `_` and `-`, and begins with a letter"
    } else if name.ends_with(['-', '_']) {
        "a name ends with a letter or a digit"
    } else if TAKEN.contains(&name) {
        "languages and their tools keep this word for themselves"
    } else {
        return Ok(());
    };
    let hint = nearest(name).map_or_else(|| rule.to_owned(), |better| format!("{rule}: how about `{better}`?"));
    Err(Misuse { message: format!("`{name}` cannot be the name of a project"), hint })
}

/// A name that is allowed and near to one that is not, if one comes to mind.
fn nearest(name: &str) -> Option<String> {
    let mut better = String::new();
    for char in name.trim().chars() {
        match char.to_ascii_lowercase() {
            plain if plain.is_ascii_lowercase() || plain.is_ascii_digit() || plain == '_' => better.push(plain),
            _ if better.ends_with('-') => {}
            _ => better.push('-'),
        }
    }
    let better = better
        .trim_matches(|char: char| char == '-' || char == '_')
        .trim_start_matches(|char: char| char.is_ascii_digit());
    let better = better.trim_start_matches(['-', '_']).get(..better.len().min(50))?;
    let better = if TAKEN.contains(&better) { format!("{better}-events") } else { better.to_owned() };
    (better != name && check(&better).is_ok()).then_some(better)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_every_language_takes_is_taken() {
        for name in ["payments", "a", "order-totals", "order_totals2", "x2"] {
            assert!(check(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn an_impossible_name_is_refused_with_a_better_one() {
        for (name, better) in [
            ("Order Totals", "order-totals"),
            ("2fast", "fast"),
            ("fn", "fn-events"),
            ("test", "test-events"),
            ("orders-", "orders"),
            ("påmelding", "p-melding"),
            ("../payments", "payments"),
        ] {
            let error = check(name).unwrap_err().to_string();
            assert!(error.contains(&format!("how about `{better}`?")), "{error}");
        }
        for name in ["", "-", "🦀", "1"] {
            let error = check(name).unwrap_err().to_string();
            assert!(error.contains("begins with a letter") && !error.contains("how about"), "{error}");
        }
        assert!(check(&"a".repeat(64)).is_err());
    }
}
