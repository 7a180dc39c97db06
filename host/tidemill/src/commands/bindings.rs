//! `bindings`: the contract that the program embeds, or code generated from it, as files of a directory.

use std::{
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use anyhow::Context as _;
use wit_bindgen_core::{
    Files, WorldGenerator,
    wit_parser::{Resolve, SourceMap},
};

use crate::{
    cli::{BindingsArgs, BindingsCommand, GoBindingsArgs},
    contract::{WIT, WORLD},
    exit::Exit,
    output::print,
};

/// Writes what was asked for.
pub(super) fn execute(command: &BindingsCommand) -> anyhow::Result<Exit> {
    let (directory, files) = match command {
        BindingsCommand::C(BindingsArgs { directory }) => (directory, c()?),
        BindingsCommand::Go(args) => (&args.directory, go(args)?),
        BindingsCommand::Wit(BindingsArgs { directory }) => (directory, wit()),
    };
    let written = write(directory, &files)?;
    let directory = directory.display();
    print(&match written {
        0 => format!("`{directory}` is up to date\n"),
        1 => format!("`{directory}`: 1 file written\n"),
        more => format!("`{directory}`: {more} files written\n"),
    })?;
    Ok(Exit::Done)
}

fn wit() -> Files {
    let mut files = Files::default();
    for file in WIT.files() {
        files.push(&file.path().to_string_lossy(), file.contents());
    }
    files
}

fn c() -> anyhow::Result<Files> {
    generate(wit_bindgen_c::Opts::default().build())
}

fn go(args: &GoBindingsArgs) -> anyhow::Result<Files> {
    let opts = wit_bindgen_go::Opts {
        // `gofmt` is not on every machine, and the same contract gives the same files on all of them.
        format: wit_bindgen_go::Format::False,
        pkg_name: args.package.clone(),
        export_pkg_name: args.exports.clone(),
        ..wit_bindgen_go::Opts::default()
    };
    let generated = generate(opts.build())?;
    if args.support == GoBindingsArgs::SUPPORT {
        return Ok(generated);
    }
    let mut files = Files::default();
    let (published, ours) = (format!("\"{}/", GoBindingsArgs::SUPPORT), format!("\"{}/", args.support));
    for (name, contents) in generated.iter() {
        files.push(name, String::from_utf8_lossy(contents).replace(&published, &ours).as_bytes());
    }
    Ok(files)
}

/// What a generator makes of the contract.
fn generate(mut generator: Box<dyn WorldGenerator>) -> anyhow::Result<Files> {
    let mut map = SourceMap::default();
    for file in WIT.files() {
        map.push_str(&file.path().to_string_lossy(), String::from_utf8_lossy(file.contents()));
    }
    let mut resolve = Resolve::default();
    let group = map.parse().map_err(|(_, error)| error).context("the contract is not valid WIT")?;
    let package = resolve.push_group(group).context("the contract is not complete")?;
    let world = resolve.select_world(&[package], Some(WORLD)).context("the contract has no world `processor`")?;
    let mut files = Files::default();
    generator.generate(&mut resolve, world, &mut files).context("no bindings could be generated from the contract")?;
    Ok(files)
}

/// Writes the files that are not there or differ. Says how many those were.
fn write(directory: &Path, files: &Files) -> anyhow::Result<usize> {
    let mut written = 0;
    for (name, contents) in files.iter() {
        let path = directory.join(name);
        if fs::read(&path).is_ok_and(|found| found == contents) {
            continue;
        }
        put(&path, contents).map_err(|error| {
            anyhow::anyhow!(
                "`{}` cannot be written: {error}\n  hint: give a directory in which you may write",
                path.display()
            )
        })?;
        written += 1;
    }
    Ok(written)
}

/// Puts a file in place at once: of two builds that write the same one, neither reads half of it.
fn put(path: &Path, contents: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let everyone = Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(everyone).tempfile_in(directory)?;
    file.write_all(contents)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::SystemTime};

    use super::*;

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn go_args(directory: &Path) -> GoBindingsArgs {
        GoBindingsArgs {
            directory: directory.to_owned(),
            package: None,
            exports: None,
            support: GoBindingsArgs::SUPPORT.to_owned(),
        }
    }

    #[test]
    fn the_contract_is_written_as_it_stands_in_the_repository() {
        let there = directory();
        let into = there.path().join("made/on/the/way");
        execute(&BindingsCommand::Wit(BindingsArgs { directory: into.clone() })).unwrap();
        let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        assert_eq!(names(&into), names(&contract));
        for name in names(&into) {
            assert_eq!(fs::read(into.join(&name)).unwrap(), fs::read(contract.join(&name)).unwrap(), "{name}");
        }
    }

    #[test]
    fn the_bindings_for_c_declare_what_a_processor_imports_and_exports() {
        let there = directory();
        execute(&BindingsCommand::C(BindingsArgs { directory: there.path().to_owned() })).unwrap();
        assert_eq!(names(there.path()), ["processor.c", "processor.h", "processor_component_type.o"]);
        let header = fs::read_to_string(there.path().join("processor.h")).unwrap();
        for function in ["tidemill_processor_state_get_many(", "exports_tidemill_processor_handler_process("] {
            assert!(header.contains(function), "{function} is missing");
        }
    }

    #[test]
    fn the_bindings_for_go_are_a_module_or_packages_of_one() {
        let there = directory();
        let alone = there.path().join("alone");
        execute(&BindingsCommand::Go(go_args(&alone))).unwrap();
        let module = fs::read_to_string(alone.join("go.mod")).unwrap();
        assert!(module.starts_with("module wit_component\n") && module.contains("go.bytecodealliance.org/pkg v"));

        let inside = there.path().join("inside");
        let args = GoBindingsArgs {
            package: Some("example.com/totals/bindings".into()),
            exports: Some("example.com/totals".into()),
            support: "example.com/totals/wit".into(),
            ..go_args(&inside)
        };
        execute(&BindingsCommand::Go(args)).unwrap();
        assert!(!inside.join("go.mod").exists());
        let exports = fs::read_to_string(inside.join("wit_exports/wit_exports.go")).unwrap();
        for import in [
            r#""example.com/totals/bindings/tidemill_processor_types""#,
            r#""example.com/totals/export_tidemill_processor_handler""#,
            r#"witRuntime "example.com/totals/wit/runtime""#,
        ] {
            assert!(exports.contains(import), "{import} is missing in {exports}");
        }
        assert!(!exports.contains("go.bytecodealliance.org"));
    }

    #[test]
    fn what_is_there_and_equal_is_left_alone_and_what_was_changed_is_put_right() {
        let there = directory();
        let write_again = || write(there.path(), &c().unwrap()).unwrap();
        assert_eq!(write_again(), 3);
        fs::write(there.path().join("mine.txt"), "mine").unwrap();
        let times = || {
            let modified = |name: &str| fs::metadata(there.path().join(name)).unwrap().modified().unwrap();
            names(there.path()).iter().map(|name| modified(name)).collect::<Vec<SystemTime>>()
        };
        let before = times();
        assert_eq!(write_again(), 0);
        assert_eq!(times(), before);

        fs::write(there.path().join("processor.h"), "broken").unwrap();
        assert_eq!(write_again(), 1);
        assert_eq!(fs::read_to_string(there.path().join("mine.txt")).unwrap(), "mine");
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_named_with_a_hint() {
        let there = directory();
        let file: PathBuf = there.path().join("file");
        fs::write(&file, "").unwrap();
        let error = execute(&BindingsCommand::Wit(BindingsArgs { directory: file.join("wit") })).unwrap_err();
        let sentence = error.to_string();
        assert!(sentence.contains("wit/processor.wit` cannot be written: "), "{sentence}");
        assert!(sentence.contains("\n  hint: "), "{sentence}");
    }
}
