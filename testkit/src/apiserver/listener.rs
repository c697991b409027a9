//! The socket: connections come and go, and so may the whole server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::handler;
use super::state::Shared;

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
    address: SocketAddr,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
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
                connections.spawn(connection(Arc::clone(&shared), stream));
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

async fn connection(shared: Arc<Shared>, stream: TcpStream) {
    // Without it a small frame waits for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| handler::answer(Arc::clone(&shared), request));
    // An error here is a client gone or a fault wanted.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
