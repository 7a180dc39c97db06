//! A manifest of cargo that stands alone: what it had from the workspace of the examples is written out.

use toml_edit::{DocumentMut, Item, Table, TomlError};

/// The manifest of a project, from that of a member and that of its workspace: with what `workspace.X = true` means, the
/// workspace's lints and profiles, and a workspace of its own.
///
/// # Errors
/// A text that is not TOML. The texts are embedded, and a test reads them.
pub(super) fn alone(member: &str, workspace: &str) -> Result<String, TomlError> {
    let mut member: DocumentMut = member.parse()?;
    let workspace: DocumentMut = workspace.parse()?;
    let shared = |name: &str| workspace.get("workspace").and_then(|table| table.get(name));
    for (table, from) in [
        ("package", "package"),
        ("dependencies", "dependencies"),
        ("dev-dependencies", "dependencies"),
        ("build-dependencies", "dependencies"),
    ] {
        if let Some(table) = member.get_mut(table).and_then(Item::as_table_mut) {
            inherit(table, shared(from).and_then(Item::as_table));
        }
    }
    // Under which licence a project stands is not ours to say.
    if let Some(package) = member.get_mut("package").and_then(Item::as_table_mut) {
        package.remove("license");
    }
    let lints = member.get("lints").is_some_and(inherits);
    if lints {
        member.remove("lints");
    }
    let mut text = member.to_string();
    for (name, item) in [("lints", shared("lints").filter(|_| lints)), ("profile", workspace.get("profile"))] {
        if let Some(item) = item {
            // As a document of its own: tables of two documents do not keep their order in one.
            let mut section = DocumentMut::new();
            section.insert(name, item.clone());
            text = format!("{}\n\n{}", text.trim_end(), section.to_string().trim());
        }
    }
    // Wherever the project is made, it belongs to no other workspace; and the SDK has one of its own.
    let own = "[workspace]\nexclude = [\"tidemill\"]";
    Ok(format!("{text}\n\n{own}\n"))
}

/// Replaces each entry that points to the workspace by what stands there, and keeps what the member adds to it.
fn inherit(table: &mut Table, shared: Option<&Table>) {
    let names: Vec<String> = table.iter().filter(|(_, item)| inherits(item)).map(|(name, _)| name.to_owned()).collect();
    for name in names {
        let Some(found) = shared.and_then(|shared| shared.get(&name)) else { continue };
        let mut value = found.clone();
        if let Some(item) = table.get(&name).and_then(Item::as_table_like) {
            let added: Vec<_> = item.iter().filter(|(key, _)| *key != "workspace").collect();
            if let (false, Item::Value(plain)) = (added.is_empty(), &value)
                && plain.is_str()
            {
                let mut full = toml_edit::InlineTable::new();
                full.insert("version", plain.clone());
                value = Item::Value(full.into());
            }
            for (key, more) in added {
                if let Some(value) = value.as_table_like_mut() {
                    value.insert(key, more.clone());
                }
            }
        }
        // In its place, so that the comment before it stays.
        if let Some(item) = table.get_mut(&name) {
            *item = value;
        }
    }
}

/// Whether it says `workspace = true`.
fn inherits(item: &Item) -> bool {
    item.as_table_like().and_then(|table| table.get("workspace")).and_then(Item::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = "
[workspace]
members = [\"totals\"]
[workspace.package]
edition = \"2024\"
[workspace.dependencies]
# Not copied.
serde = { version = \"1\", features = [\"derive\"] }
tidemill-sdk = { path = \"../../sdk/rust\" }
json = \"2\"
[workspace.lints.clippy]
pedantic = \"warn\"
[profile.release]
# A reason.
lto = true
";

    #[test]
    fn what_a_manifest_inherits_is_written_out() {
        let member = "[package]\nname = \"totals\"\nlicense = \"MIT\"\nedition.workspace = true\n\n[lints]\nworkspace = true\n\n[dependencies]\nserde.workspace = true\n# Why.\njson = { workspace = true, optional = true }\n";
        let found = alone(member, WORKSPACE).unwrap();
        let expected = "[package]\nname = \"totals\"\nedition = \"2024\"\n\n[dependencies]\nserde = { version = \"1\", features = [\"derive\"] }\n# Why.\njson = { version = \"2\", optional = true }\n\n[lints.clippy]\npedantic = \"warn\"\n\n[profile.release]\n# A reason.\nlto = true\n\n[workspace]\nexclude = [\"tidemill\"]\n";
        assert_eq!(found, expected);
    }
}
