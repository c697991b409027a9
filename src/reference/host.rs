//! Registry hosts: their grammar, the form in which they are compared, and what is odd about them.

use std::fmt::Write as _;
use std::net::Ipv6Addr;

use super::is_segment;

/// Docker Hub, as distribution/reference writes it.
pub(super) const HUB: &str = "docker.io";

/// Other names of Docker Hub. Only the first is rewritten for pulling; both are for comparing.
pub(super) const HUB_ALIASES: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];

/// Splits `host:port`. Brackets of an IPv6 address stay with the host; the port is not checked.
///
/// Compare host names by edit distance without their ports, or `:5000` is a typo of `:5001`.
pub fn split_port(host: &str) -> (&str, Option<&str>) {
    let from = if host.starts_with('[') { host.find(']').unwrap_or(0) } else { 0 };
    match host[from..].split_once(':') {
        Some((name, port)) => (&host[..from + name.len()], Some(port)),
        None => (host, None),
    }
}

/// Whether the text is `domainAndPort` of distribution/reference `regexp.go`.
///
/// One host more is valid there: `foo_bar.example/app` does not match as host, but does as the start of a path, and
/// the runtime then takes the first segment of that path for the host. So it is a host here.
pub(super) fn is_host(host: &str) -> bool {
    let (name, port) = split_port(host);
    if let Some(port) = port
        && (port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()))
    {
        return false;
    }
    if let Some(address) = name.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|address| {
            !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':')
        });
    }
    name.split('.').all(is_label) || (port.is_none() && name.contains('.') && is_segment(name))
}

/// A label starts and ends with a letter or digit and has dashes between.
fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    bytes.first().is_some_and(|b| *b != b'-')
        && bytes.last().is_some_and(|b| *b != b'-')
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}

/// Whether [`push_normalised`] would change anything.
pub(super) fn is_normalised(host: &str) -> bool {
    let odd_port = || match split_port(host).1 {
        Some(port) => port.starts_with('0') || port == "443",
        None => false,
    };
    !(host.bytes().any(|b| b.is_ascii_uppercase() || b == b'[') || HUB_ALIASES.contains(&host) || odd_port())
}

/// Appends the form in which hosts are compared: lower case, ports and IPv6 addresses by value, `:443` dropped,
/// Docker Hub under its one name. Never for pulling: `Docker.io` and `docker.io:443` are other places to a runtime.
pub(super) fn push_normalised(host: &str, out: &mut String) {
    let start = out.len();
    let (name, port) = split_port(host);
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .and_then(|address| address.parse::<Ipv6Addr>().ok());
    match address {
        // Writing to a String cannot fail.
        Some(address) => _ = write!(out, "[{address}]"),
        None => out.extend(name.chars().map(|c| c.to_ascii_lowercase())),
    }
    if let Some(port) = port {
        match port.trim_start_matches('0') {
            "443" => {}
            "" => out.push_str(":0"),
            port => {
                out.push(':');
                out.push_str(port);
            }
        }
    }
    if HUB_ALIASES.contains(&&out[start..]) {
        out.truncate(start);
        out.push_str(HUB);
    }
}

/// What is odd about a registry host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostOddity {
    /// An IP address: nobody can say whose registry that is, and certificates for addresses are rare.
    IpLiteral,
    /// The node's own loopback interface.
    Localhost,
    /// A label in punycode, which may look like another name when shown.
    Punycode {
        /// The host as a browser would show it; invisible and control characters are escaped.
        decoded: String,
    },
}

/// What is odd about a host, which may have a port; the first that holds of address, localhost and punycode.
///
/// A host whose last label is a number counts as an address, also `127.1` and `0x7f000001`: no top-level domain is
/// one, and C libraries read such names as addresses (the "ends in a number" rule of the URL standard). Names under
/// `.localhost` count as localhost (RFC 6761).
pub fn host_oddity(host: &str) -> Option<HostOddity> {
    let (name, port) = split_port(host);
    if name.starts_with('[') || host.parse::<Ipv6Addr>().is_ok() {
        return Some(HostOddity::IpLiteral);
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.eq_ignore_ascii_case("localhost") {
        return Some(HostOddity::Localhost);
    }
    if is_number(last) {
        return Some(HostOddity::IpLiteral);
    }
    if !name.split('.').any(|label| encoded(label).is_some()) {
        return None;
    }
    let mut decoded = String::with_capacity(host.len());
    for label in name.split('.') {
        if !decoded.is_empty() {
            decoded.push('.');
        }
        match encoded(label).and_then(decode_punycode) {
            Some(label) => decoded.extend(label.into_iter().flat_map(char::escape_debug)),
            None => decoded.extend(label.chars().flat_map(char::escape_debug)),
        }
    }
    if let Some(port) = port {
        decoded.push(':');
        decoded.push_str(port);
    }
    Some(HostOddity::Punycode { decoded })
}

fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x").or(label.strip_prefix("0X")) {
        Some(hex) => hex.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// The part of an encoded label that holds the code.
fn encoded(label: &str) -> Option<&str> {
    let (prefix, code) = label.split_at_checked(4)?;
    prefix.eq_ignore_ascii_case("xn--").then_some(code)
}

/// RFC 3492 section 6.2, for labels no longer than DNS allows. `None` if the code is broken.
fn decode_punycode(code: &str) -> Option<Vec<char>> {
    const BASE: u32 = 36;
    const T_MIN: u32 = 1;
    const T_MAX: u32 = 26;
    const SKEW: u32 = 38;
    const DAMP: u32 = 700;
    /// A DNS label has at most 63 characters, four of them the prefix.
    const LONGEST: usize = 59;

    if code.len() > LONGEST || !code.is_ascii() {
        return None;
    }
    let (basic, deltas) = code.rsplit_once('-').unwrap_or(("", code));
    let mut output: Vec<char> = basic.chars().map(|c| c.to_ascii_lowercase()).collect();
    let (mut n, mut i, mut bias) = (128_u32, 0_u32, 72_u32);
    let mut digits = deltas.chars();
    while !digits.as_str().is_empty() {
        let start = i;
        let mut weight = 1_u32;
        for k in (BASE..).step_by(BASE as usize) {
            // to_digit reads 0-9 before a-z, punycode counts a-z before 0-9.
            let digit = (digits.next()?.to_digit(36)? + 26) % 36;
            i = i.checked_add(digit.checked_mul(weight)?)?;
            let threshold = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(BASE - threshold)?;
        }
        let count = u32::try_from(output.len()).ok()? + 1;
        let mut delta = (i - start) / if start == 0 { DAMP } else { 2 };
        delta += delta / count;
        let mut k = 0;
        while delta > ((BASE - T_MIN) * T_MAX) / 2 {
            delta /= BASE - T_MIN;
            k += BASE;
        }
        bias = k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
        n = n.checked_add(i / count)?;
        i %= count;
        output.insert(usize::try_from(i).ok()?, char::from_u32(n)?);
        i += 1;
    }
    Some(output)
}

/// Whether one slip of the hand turns one text into the other: a character added, dropped, replaced, or swapped with
/// its neighbour. Equal texts are no slip.
pub fn edit_distance_is_one(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.chars(), b.chars());
    loop {
        let (from_a, from_b) = (a.as_str(), b.as_str());
        match (a.next(), b.next()) {
            (None, None) => return false,
            (x, y) if x == y => {}
            (x, y) => {
                let (rest_a, rest_b) = (a.as_str(), b.as_str());
                let replaced = x.is_some() && y.is_some() && rest_a == rest_b;
                let added = rest_a == from_b || from_a == rest_b;
                let swapped = a.next() == y && b.next() == x && a.as_str() == b.as_str();
                return replaced || added || swapped;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_hosts_are_recognised_with_or_without_a_port() {
        for host in ["10.0.0.1", "10.0.0.1:5000", "[::1]", "[2001:db8::1]:5000", "::1", "127.1", "0x7f000001"]
        {
            assert_eq!(host_oddity(host), Some(HostOddity::IpLiteral), "{host}");
        }
        for host in ["localhost", "LOCALHOST", "localhost:5000", "registry.localhost"] {
            assert_eq!(host_oddity(host), Some(HostOddity::Localhost), "{host}");
        }
        for host in [
            "docker.io",
            "registry:5000",
            "10.example.com",
            "k8s.gcr.io",
            "axn--b.io",
            "",
            "é",
            "localhost.example.com",
        ] {
            assert_eq!(host_oddity(host), None, "{host}");
        }
    }

    #[test]
    fn punycode_is_shown_decoded_and_harmless() {
        for (host, expected) in [
            ("xn--mnchen-3ya.de:5000", "münchen.de:5000"),
            ("xn--80ak6aa92e.com", "аррӏе.com"),
            ("XN--N3H.com", "☃.com"),
            ("a.xn--ihqwcrb4cv8a8dqg056pqjye", "a.他们为什么不说中文"),
            // Broken codes stay as they are.
            ("xn--a-ecp!.io", "xn--a-ecp!.io"),
            ("xn--99999999.io", "xn--99999999.io"),
            ("xn--é.io", "xn--é.io"),
            // U+202E would turn the rest of the line around.
            ("xn--ab-g4t.io", "a\\u{202e}b.io"),
        ] {
            let Some(HostOddity::Punycode { decoded }) = host_oddity(host) else { panic!("{host}") };
            assert_eq!(decoded, expected, "{host}");
        }
    }

    #[test]
    fn one_slip_of_the_hand_is_an_edit_distance_of_one() {
        for (a, b) in [
            ("docker.io", "docker.i"),
            ("quay.io", "quai.io"),
            ("ghcr.io", "gchr.io"),
            ("a", ""),
            ("gcr.io", "gccr.io"),
            ("é", "e"),
        ] {
            assert!(edit_distance_is_one(a, b) && edit_distance_is_one(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("", ""),
            ("docker.io", "docker.io"),
            ("docker.io", "dock.io"),
            ("quay.io", "quia.iy"),
            ("ab", "cd"),
            ("abc", "cab"),
            ("ab", ""),
        ] {
            assert!(!edit_distance_is_one(a, b) && !edit_distance_is_one(b, a), "{a} {b}");
        }
    }
}
