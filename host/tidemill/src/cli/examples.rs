//! The examples of the help: every command has some, and each can be typed.

use clap::{Command, CommandFactory as _, Parser as _};

use super::Args;

/// The commands that do something, with the words that call them.
fn leaves(command: &Command, words: &str, found: &mut Vec<(String, Command)>) {
    let shown: Vec<_> = command.get_subcommands().filter(|command| !command.is_hide_set()).collect();
    if shown.is_empty() {
        found.push((words.to_owned(), command.clone()));
    }
    for command in shown {
        leaves(command, &format!("{words} {}", command.get_name()), found);
    }
}

/// What stands under "Examples:", without what is said about it.
fn examples(help: &str) -> Vec<String> {
    let section = help.split_once("Examples:\n").map_or("", |(_, rest)| rest).split("\n\n").next().unwrap_or_default();
    let typed = section.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| line.starts_with("tidemill "));
    typed.map(|line| line.split("  ").next().unwrap_or_default().to_owned()).collect()
}

/// What a shell would give to the program.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for char in line.chars() {
        let word = words.last_mut().expect("there is always one");
        match (quote, char) {
            (None, '>' | '|' | '&') => break,
            (None, '\'' | '"') => quote = Some(char),
            (Some(open), _) if open == char => quote = None,
            (None, ' ') => words.push(String::new()),
            _ => word.push(char),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_command_has_an_example_and_each_can_be_typed() {
    let mut commands = Vec::new();
    let program = Args::command();
    leaves(&program, "tidemill", &mut commands);
    let first_steps = program.get_after_long_help().expect("the help of the program has first steps").to_string();
    let mut typed = examples(&first_steps);
    assert!(typed.len() >= 5, "{first_steps}");
    for (name, command) in commands {
        let help =
            command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string).unwrap_or_default();
        let own = examples(&help);
        assert!(own.iter().any(|line| line.starts_with(&name)), "`{name} --help` has no example of its own:\n{help}");
        typed.extend(own);
    }
    for line in typed {
        if let Err(error) = Args::try_parse_from(words(&line)) {
            panic!("`{line}` stands in the help, and:\n{error}");
        }
    }
}

#[test]
fn a_line_is_cut_into_words_as_a_shell_does() {
    assert_eq!(words("tidemill a 'b c' -n 5 > d.ndjson"), ["tidemill", "a", "b c", "-n", "5"]);
    assert_eq!(words("tidemill status --json | jq '.x'"), ["tidemill", "status", "--json"]);
}
