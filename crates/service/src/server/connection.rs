//! One connection: until its client is done, is too slow, or the server shuts down.

use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::{HangUp, Limits, Service};

/// Header fields of one request. Browsers send about 20, proxies add some.
const MAX_HEADERS: usize = 100;
/// Bytes of one request's head: a bearer token of Microsoft Entra may have 6 KiB.
const MAX_HEAD: usize = 32 * 1024;
/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 64;
/// Bytes that a client may have under way on one HTTP/2 stream and one connection: bounds what bodies nobody reads cost.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// How long a connection that was told to go away may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// What the connection needs to know of the server.
#[derive(Debug)]
pub(super) struct Surroundings<S> {
    pub(super) service: Arc<S>,
    pub(super) limits: Limits,
    pub(super) draining: watch::Receiver<bool>,
}

// By hand: the derived one would ask `S` to be `Clone`.
impl<S> Clone for Surroundings<S> {
    fn clone(&self) -> Self {
        Self { service: Arc::clone(&self.service), limits: self.limits, draining: self.draining.clone() }
    }
}

impl<S: Service> Surroundings<S> {
    /// Serves HTTP/1.1, or HTTP/2 where TLS agreed on it. A first request must be there within `first_head`.
    pub(super) async fn serve<T>(self, stream: T, source: IpAddr, http2: bool, first_head: Duration)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Arc::new(Activity::default());
        let service = Arc::clone(&self.service);
        let counted = Arc::clone(&activity);
        let handler = service_fn(move |request: Request<Incoming>| {
            let service = Arc::clone(&service);
            let request_running = counted.begin();
            async move {
                let response: Response<Full<Bytes>> = service.answer(request, source).await;
                drop(request_running);
                // An error in the place of a response has hyper close the connection.
                response.extensions().get::<HangUp>().map_or(Ok(()), |hang_up| Err(*hang_up))?;
                Ok::<_, HangUp>(response)
            }
        });
        let stream = TokioIo::new(stream);
        if http2 {
            let connection = http2_builder(&self.limits).serve_connection(stream, handler);
            self.drive(connection, &activity, first_head).await;
        } else {
            let connection = http1_builder(&self.limits).serve_connection(stream, handler);
            self.drive(connection, &activity, first_head).await;
        }
    }

    async fn drive<C: Drain>(mut self, connection: C, activity: &Activity, first_head: Duration) {
        let mut connection = pin!(connection);
        // The timer of hyper for heads is for HTTP/1.1 only: a head that never ends would pass for an idle HTTP/2 connection.
        let mut first_head = pin!(tokio::time::sleep(first_head));
        let mut unused = true;
        let mut seen = activity.state();
        let mut draining = false;
        loop {
            tokio::select! {
                result = connection.as_mut() => return log_end(result),
                () = told(&mut self.draining), if !draining => {
                    draining = true;
                    connection.as_mut().drain();
                }
                () = first_head.as_mut(), if unused => {
                    unused = activity.state().begun == 0;
                    if unused {
                        return say_goodbye(connection).await;
                    }
                }
                () = tokio::time::sleep(self.limits.idle_timeout) => {
                    let now = activity.state();
                    if now.is_idle_since(seen) {
                        return say_goodbye(connection).await;
                    }
                    seen = now;
                }
            }
        }
    }
}

async fn say_goodbye<C: Drain>(mut connection: Pin<&mut C>) {
    connection.as_mut().drain();
    let _ = tokio::time::timeout(GOODBYE, connection).await;
}

/// Ends when the server drains, or is gone.
pub(super) async fn told(draining: &mut watch::Receiver<bool>) {
    let _ = draining.wait_for(|draining| *draining).await;
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD)
        // A client that only shuts its sending side still gets its answer.
        .half_close(true);
    builder
}

fn http2_builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(limits.idle_timeout)
        .keep_alive_timeout(limits.header_timeout);
    builder
}

/// A client that breaks off or talks nonsense is its own affair: debug level.
fn log_end(result: hyper::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(target: "assay::connection", %error, "connection ended early");
    }
}

/// A connection that can be told to finish what it does and take nothing new.
trait Drain: Future<Output = hyper::Result<()>> {
    fn drain(self: Pin<&mut Self>);
}

impl<S, I, B> Drain for http1::Connection<I, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S, I, B, E> Drain for http2::Connection<I, S, E>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// What goes on on a connection: requests begun and requests answered.
#[derive(Debug, Default)]
struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct State {
    begun: u64,
    ended: u64,
}

impl State {
    fn is_idle_since(self, before: Self) -> bool {
        self.begun == self.ended && self.begun == before.begun
    }
}

impl Activity {
    fn begin(self: &Arc<Self>) -> RequestRunning {
        self.begun.fetch_add(1, Ordering::Relaxed);
        RequestRunning(Arc::clone(self))
    }

    fn state(&self) -> State {
        State { ended: self.ended.load(Ordering::Relaxed), begun: self.begun.load(Ordering::Relaxed) }
    }
}

/// Counts the request as answered when dropped, also when its client went away.
struct RequestRunning(Arc<Activity>);

impl Drop for RequestRunning {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}
