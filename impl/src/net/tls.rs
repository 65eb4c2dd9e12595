//! Mutual TLS under the same framing: who can't show a certificate of the cluster's authority is no peer and
//! no client. The handshake is part of a stream's first bytes, so that one who drags it out holds up nobody
//! but himself.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::seams::{BoxFuture, Listener, Network, Stream};

/// Where the certificates are, each a PEM file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authorities whose certificates are taken.
    pub authority: PathBuf,
    /// This side's certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// This side's private key.
    pub key: PathBuf,
    /// The name that servers' certificates carry; the host that is connected to if `None`.
    pub server_name: Option<String>,
}

/// Why TLS can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read, or is not what it should be.
    #[error("{}: {what}", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Certificate, key and authority do not go together.
    #[error("certificate {} and key {} can't be used: {source}", .certificate.display(), .key.display())]
    Unusable {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        source: Box<rustls::Error>,
    },
}

/// A network within another, encrypted and authenticated on both sides.
pub struct TlsNetwork {
    inner: Arc<dyn Network>,
    connector: TlsConnector,
    acceptor: TlsAcceptor,
    server_name: Option<ServerName<'static>>,
}

impl TlsNetwork {
    /// A network with these certificates.
    ///
    /// # Errors
    /// If a file can't be read, or they do not go together.
    pub fn new(inner: Arc<dyn Network>, files: &TlsFiles) -> Result<TlsNetwork, TlsError> {
        let bad = |file: &Path, what: String| TlsError::File {
            file: file.to_owned(),
            what,
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&files.authority)? {
            let added = roots.add(certificate);
            added.map_err(|error| bad(&files.authority, error.to_string()))?;
        }
        let roots = Arc::new(roots);
        let chain = certificates(&files.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|error| bad(&files.key, format!("no private key: {error}")))?;
        let unusable = |source| TlsError::Unusable {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            source: Box::new(source),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(Arc::clone(&roots))
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(unusable)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|error| bad(&files.authority, error.to_string()))?;
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        let server_name = files.server_name.clone().map(|name| {
            let wrong = |_| {
                bad(
                    &files.certificate,
                    format!("{name:?} is no name of a server"),
                )
            };
            ServerName::try_from(name.clone()).map_err(wrong)
        });
        Ok(TlsNetwork {
            inner,
            connector: TlsConnector::from(Arc::new(client)),
            acceptor: TlsAcceptor::from(Arc::new(server)),
            server_name: server_name.transpose()?,
        })
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bad = |what: String| TlsError::File {
        file: file.to_owned(),
        what,
    };
    let found = CertificateDer::pem_file_iter(file).map_err(|error| bad(error.to_string()))?;
    let found: Result<Vec<_>, _> = found.collect();
    let found = found.map_err(|error| bad(error.to_string()))?;
    if found.is_empty() {
        return Err(bad("no certificate in it".to_owned()));
    }
    Ok(found)
}

impl Network for TlsNetwork {
    fn listen<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let inner = self.inner.listen(addr).await?;
            let acceptor = self.acceptor.clone();
            Ok(Box::new(TlsListener { inner, acceptor }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, addr: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let name = match &self.server_name {
                Some(name) => name.clone(),
                None => {
                    let host = addr.rsplit_once(':').map_or(addr, |(host, _)| host);
                    let host = host.trim_start_matches('[').trim_end_matches(']');
                    ServerName::try_from(host.to_owned())
                        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?
                }
            };
            let stream = self.inner.connect(addr).await?;
            let stream = self.connector.connect(name, stream).await?;
            Ok(Box::new(TlsStream::from(stream)) as Box<dyn Stream>)
        })
    }
}

struct TlsListener {
    inner: Box<dyn Listener>,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let stream = self.inner.accept().await?;
            let handshake = Box::pin(self.acceptor.accept(stream));
            Ok(Box::new(Accepted::Greeting(handshake)) as Box<dyn Stream>)
        })
    }

    fn local_addr(&self) -> io::Result<String> {
        self.inner.local_addr()
    }
}

type Plain = Box<dyn Stream>;

/// A connection that has come in: its handshake is made by whoever first reads or writes.
enum Accepted {
    Greeting(Pin<Box<tokio_rustls::Accept<Plain>>>),
    Open(Box<TlsStream<Plain>>),
    Refused,
}

impl Accepted {
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut TlsStream<Plain>>>> {
        if let Accepted::Greeting(handshake) = self {
            match ready!(handshake.as_mut().poll(cx)) {
                Ok(stream) => *self = Accepted::Open(Box::new(stream.into())),
                Err(error) => {
                    *self = Accepted::Refused;
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(match self {
            Accepted::Open(stream) => Ok(Pin::new(&mut **stream)),
            _ => Err(io::ErrorKind::NotConnected.into()),
        })
    }
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_open(cx))?.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_shutdown(cx)
    }
}
