//! The server over TLS, for a client that trusts its certificate.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use testkit::apiserver::ApiServer;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

fn connector(roots: RootCertStore) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    TlsConnector::from(Arc::new(
        config.expect("versions").with_root_certificates(roots).with_no_client_auth(),
    ))
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_is_served_and_another_goes_away() {
    let server = ApiServer::builder().tls().start().await;
    assert!(server.url().starts_with("https://127.0.0.1:"));
    let pem = server.certificate_pem().expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")).expect("a certificate");
    let name = || ServerName::try_from("127.0.0.1").expect("an address");
    let stream = TcpStream::connect(server.address()).await.expect("a connection");
    let stream = connector(roots).connect(name(), stream).await.expect("trust");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(connection);
    let request = Request::get("/api/v1/namespaces").header("host", "testkit").body(Empty::<Bytes>::new());
    let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
    assert_eq!(answer.status(), 200);

    let stream = TcpStream::connect(server.address()).await.expect("a connection");
    assert!(connector(RootCertStore::empty()).connect(name(), stream).await.is_err());
}
