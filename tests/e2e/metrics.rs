//! A scrape, and how to find a number in it.

use std::collections::BTreeMap;

/// The text of `/metrics`.
#[derive(Debug)]
pub(crate) struct Metrics(pub(crate) String);

impl Metrics {
    /// The sum of all samples of a name that have these labels; none if there are no such samples.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let values = self.samples(name).filter(|(found, _)| {
            labels.iter().all(|(label, value)| found.get(*label).is_some_and(|found| found == value))
        });
        values.map(|(_, value)| value).reduce(|left, right| left + right)
    }

    /// Labels and value of each sample of a name.
    pub(crate) fn samples<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = (BTreeMap<String, String>, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => labels(rest)?,
                None => (BTreeMap::new(), rest.strip_prefix(' ')?),
            };
            Some((labels, value.trim().split(' ').next()?.parse().ok()?))
        })
    }

    /// The lines of a name, for messages.
    pub(crate) fn lines_of(&self, text: &str) -> String {
        self.0.lines().filter(|line| line.contains(text)).collect::<Vec<_>>().join("\n")
    }
}

/// The labels at the start of a text, and what comes after their closing brace.
fn labels(mut text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        text = text.strip_prefix(',').unwrap_or(text);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut characters = rest.char_indices();
        text = loop {
            match characters.next()? {
                (at, '"') => break &rest[at + 1..],
                (_, '\\') => value.push(characters.next()?.1),
                (_, character) => value.push(character),
            }
        };
        labels.insert(name.to_owned(), value);
    }
}

#[test]
fn labels_with_quotes_and_braces_are_read() {
    let metrics = Metrics("a{x=\"}\\\"\",y=\"1\"} 2\na{y=\"1\"} 3 17\nab 5\na 7\n".to_owned());
    assert_eq!(metrics.sum("a", &[("y", "1")]), Some(5.0));
    assert_eq!(metrics.sum("a", &[("x", "}\"")]), Some(2.0));
    assert_eq!(metrics.sum("a", &[]), Some(12.0));
    assert_eq!(metrics.sum("a", &[("y", "2")]), None);
    assert_eq!(metrics.sum("ab", &[]), Some(5.0));
}
