//! `new`: makes a project.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use tidemill_pipeline::quoted;

use crate::{
    cli::NewArgs,
    exit::{Exit, Misuse},
    output::print,
    scaffold::{Project, ProjectFile},
};

/// Makes it, and says what to do next. Nothing that is there is changed.
pub(super) fn execute(args: &NewArgs) -> anyhow::Result<Exit> {
    let project = Project::new(&args.name, args.lang)?;
    let directory = match &args.path {
        _ if args.here => PathBuf::from("."),
        Some(path) => path.clone(),
        None => PathBuf::from(&args.name),
    };
    let files = project.files()?;
    refuse_what_is_there(&directory)?;
    for file in &files {
        write(&directory, file)?;
    }
    print(&next_steps(&project, (!args.here).then_some(directory.as_path())))?;
    Ok(Exit::Done)
}

/// What to do next, a line each, the meanings below each other.
fn next_steps(project: &Project<'_>, directory: Option<&Path>) -> String {
    let enter = directory.map(|directory| {
        let directory = directory.display().to_string();
        // What begins with a hyphen would be an option.
        let here = if directory.starts_with('-') { "./" } else { "" };
        format!("cd {} && ", quoted(&format!("{here}{directory}")))
    });
    let mut steps = project.next_steps();
    if let (Some(enter), Some((command, _))) = (enter, steps.first_mut()) {
        command.insert_str(0, &enter);
    }
    let width = steps.iter().map(|(command, _)| command.chars().count()).max().unwrap_or_default();
    let lines: Vec<String> =
        steps.iter().map(|(command, meaning)| format!("{command:<width$}   # {meaning}\n")).collect();
    lines.concat()
}

/// A directory with anything in it is somebody's work.
fn refuse_what_is_there(directory: &Path) -> anyhow::Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            let message = format!("{} is a file", directory.display());
            return Err(Misuse { message, hint: "choose another place with `--path DIR`".to_owned() }.into());
        }
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", directory.display())),
    };
    for entry in entries {
        let name = entry.with_context(|| format!("{} cannot be read", directory.display()))?.file_name();
        if name != ".git" {
            let message = format!("{} is not empty: `{}` is there", directory.display(), name.display());
            return Err(
                Misuse { message, hint: "choose another name, or another place with `--path DIR`".to_owned() }.into()
            );
        }
    }
    Ok(())
}

/// Writes a file that is not there.
fn write(directory: &Path, file: &ProjectFile) -> anyhow::Result<()> {
    let path = directory.join(&file.path);
    let mode = if file.executable { 0o777 } else { 0o666 };
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
        let mut new = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
        new.write_all(file.text.as_bytes())
    });
    written.with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Language;

    #[test]
    fn the_first_step_leads_into_the_project_whatever_its_directory_is_called() {
        let project = Project::new("orders", Language::C).unwrap();
        for (directory, begins) in [
            ("orders", "cd orders && ./build.sh"),
            ("my work/o'rders", r"cd 'my work/o'\''rders' && ./build.sh"),
            ("$(id)", "cd '$(id)' && ./build.sh"),
            ("-P", "cd ./-P && ./build.sh"),
        ] {
            let steps = next_steps(&project, Some(Path::new(directory)));
            assert!(steps.starts_with(begins), "{steps}");
        }
    }
}
