//! Tokens, keys and kubeconfig files.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use rcgen::KeyPair;

use super::folder::Folder;

/// A token that nobody else on the machine can guess.
pub(super) fn random_token() -> Result<String, String> {
    let mut bytes = [0u8; 16];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|e| format!("reading /dev/urandom: {e}"))?;
    Ok(bytes.iter().fold(String::new(), |mut token, byte| {
        let _ = write!(token, "{byte:02x}");
        token
    }))
}

/// The key pair that signs service account tokens.
pub(super) struct ServiceAccountKeys {
    pub(super) private: PathBuf,
    pub(super) public: PathBuf,
}

impl ServiceAccountKeys {
    pub(super) fn create(folder: &Folder) -> Result<Self, String> {
        let pair = KeyPair::generate().map_err(|e| format!("making a key: {e}"))?;
        Ok(Self {
            private: folder.write("service-account.key", &pair.serialize_pem())?,
            public: folder.write("service-account.pub", &pair.public_key_pem())?,
        })
    }
}

/// A kubeconfig with one cluster and one user, who shows a bearer token.
pub(super) fn kubeconfig(folder: &Folder, server_url: &str, token: &str) -> String {
    // In single quotes YAML knows one special character, the quote itself.
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    format!(
        "apiVersion: v1
kind: Config
current-context: test
clusters:
- name: test
  cluster:
    server: {server}
    certificate-authority: {ca}
users:
- name: test
  user:
    token: {token}
contexts:
- name: test
  context:
    cluster: test
    user: test
",
        server = quoted(server_url),
        ca = quoted(&folder.ca_file().display().to_string()),
        token = quoted(token),
    )
}
