//! The hostile components of `guest-examples/hostile`: a harm within the shell that all of them have.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The component of a harm, as its file is named. Most are core modules with the contract's names, as some compilers leave them.
#[must_use]
pub fn component(harm: &str) -> Vec<u8> {
    let folder = folder();
    let harm_text = read(&format!("{harm}.wat"));
    let mut module = with_harm(&harm_text);
    if !folder.join(format!("{harm}.wit")).exists() {
        return module;
    }
    let mut resolve = Resolve::default();
    let (contract, _) = resolve.push_path(folder.join("../../wit")).unwrap();
    let package = resolve.push_str(format!("{harm}.wit"), &read(&format!("{harm}.wit"))).unwrap();
    let world = resolve.select_world(&[package, contract], Some("test:hostile/hostile")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

/// The module that has this text within the shell: a function `$harm`, and what belongs to it.
#[must_use]
pub fn with_harm(harm: &str) -> Vec<u8> {
    // Imports stand before everything else.
    let (imports, body): (Vec<&str>, Vec<&str>) = harm.lines().partition(|line| line.starts_with("(import"));
    text(&read("shell.wat").replace(";; IMPORTS", &imports.join("\n")).replace(";; HARM", &body.join("\n")))
}

/// The binary of a text.
#[must_use]
pub fn text(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-examples/hostile")
}

fn read(name: &str) -> String {
    let file = folder().join(name);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
