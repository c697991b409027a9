//! Records for spreadsheets: RFC 4180, with nothing in them that a spreadsheet would run.

/// Adds one record.
pub(super) fn record<const N: usize>(text: &mut String, cells: [String; N]) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&field(&inert(cell)));
    }
    text.push_str("\r\n");
}

/// Text that begins as a formula does (with any width of the sign) gets a leading apostrophe: spreadsheets then
/// show it instead of computing it.
fn inert(cell: String) -> String {
    const SIGNS: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    match cell.trim_start().starts_with(SIGNS) {
        true => format!("'{cell}"),
        false => cell,
    }
}

fn field(cell: &str) -> String {
    let is_plain = !cell.contains([',', '"', '\r', '\n', ';']) && cell.trim() == cell;
    if is_plain { cell.to_owned() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_a_formula_and_nothing_breaks_a_record() {
        let mut text = String::new();
        record(&mut text, ["=1+1", "a,b", "say \"x\"", " \t-2", "plain"].map(str::to_owned));
        assert_eq!(text, "'=1+1,\"a,b\",\"say \"\"x\"\"\",' \t-2,plain\r\n");
    }
}
