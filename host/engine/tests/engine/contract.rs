//! The contract itself.

use wit_component::{OutputToString, WitPrinter};
use wit_parser::Resolve;

#[test]
fn the_contract_does_not_change_by_accident() {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
    let mut printer = WitPrinter::new(OutputToString::default());
    printer.emit_docs(false);
    printer.print(&resolve, package, &[]).unwrap();
    insta::assert_snapshot!(printer.output.to_string());
}
