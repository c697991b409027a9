//! The socket: connections come and go, and so may the whole server.

use std::io;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::handler;
use super::state::Shared;
use super::tls::Tls;

/// What the handle asks of the listening task.
#[derive(Debug)]
pub(super) enum Order {
    /// Close the socket and every connection.
    GoAway(oneshot::Sender<()>),
    /// Listen again at the same address.
    ComeBack(oneshot::Sender<io::Result<()>>),
}

/// Serves until the last handle is gone.
pub(super) async fn serve(
    shared: Arc<Shared>,
    listener: TcpListener,
    tls: Option<Tls>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let Ok(address) = listener.local_addr() else { return };
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                None => return,
                Some(Order::GoAway(done)) => {
                    listener = None;
                    connections.shutdown().await;
                    let _ = done.send(());
                }
                Some(Order::ComeBack(done)) => {
                    let bound = match listener {
                        Some(_) => Ok(()),
                        None => TcpListener::bind(address).await.map(|bound| listener = Some(bound)),
                    };
                    let _ = done.send(bound);
                }
            },
            Some(stream) = accept(listener.as_ref()) => {
                connections.spawn(accepted(Arc::clone(&shared), stream, tls.clone()));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// The next connection; waits for ever while the server is away.
async fn accept(listener: Option<&TcpListener>) -> Option<TcpStream> {
    match listener {
        None => std::future::pending().await,
        Some(listener) => match listener.accept().await {
            Ok((stream, _)) => Some(stream),
            Err(_) => {
                tokio::task::yield_now().await;
                None
            }
        },
    }
}

async fn accepted(shared: Arc<Shared>, stream: TcpStream, tls: Option<Tls>) {
    // Without it a small frame waits for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    match tls {
        None => connection(shared, stream).await,
        Some(tls) => {
            // A client that does not trust the certificate goes away.
            if let Ok(stream) = tls.acceptor.accept(stream).await {
                connection(shared, stream).await;
            }
        }
    }
}

async fn connection(shared: Arc<Shared>, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(move |request| handler::answer(Arc::clone(&shared), request));
    // An error here is a client gone or a fault wanted.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
