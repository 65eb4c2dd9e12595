//! Mutual TLS: who has no certificate of the authority gets nowhere, on either side.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use plumb_raft::net::{FrameReader, TlsError, TlsFiles, TlsNetwork, write_frame};
use plumb_raft::production::TcpNetwork;
use plumb_raft::seams::Network;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Writes an authority and a certificate of it for 127.0.0.1.
fn certificates(folder: &Path, name: &str) -> TlsFiles {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("signed");
    let issuer = Issuer::new(params, key);
    let own_key = KeyPair::generate().expect("a key");
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address");
    let own = own.signed_by(&own_key, &issuer).expect("signed");
    let file = |what: &str, text: String| {
        let path = folder.join(format!("{name}-{what}.pem"));
        std::fs::write(&path, text).expect("written");
        path
    };
    TlsFiles {
        authority: file("authority", authority.pem()),
        certificate: file("certificate", own.pem()),
        key: file("key", own_key.serialize_pem()),
        server_name: None,
    }
}

fn network(files: &TlsFiles) -> TlsNetwork {
    TlsNetwork::new(Arc::new(TcpNetwork), files).expect("the files go together")
}

/// Sends a frame through a server that sends it back, if both let each other in.
async fn echo(server: &TlsNetwork, client: &dyn Network) -> Option<Vec<u8>> {
    let mut listener = server.listen("127.0.0.1:0").await.expect("a port is free");
    let addr = listener.local_addr().expect("it is bound");
    let serving = tokio::spawn(async move {
        let mut frames = FrameReader::new(listener.accept().await.expect("somebody comes"));
        let frame = frames.next().await.map(<[u8]>::to_vec);
        if let Ok(frame) = frame {
            drop(write_frame(frames.stream(), &frame).await);
        }
    });
    let asking = async {
        let mut stream = client.connect(&addr).await.ok()?;
        write_frame(&mut stream, b"hello").await.ok()?;
        let mut frames = FrameReader::new(stream);
        frames.next().await.ok().map(<[u8]>::to_vec)
    };
    let answer = tokio::time::timeout(Duration::from_secs(10), asking).await;
    serving.await.expect("no panic");
    answer.expect("an end, one way or the other")
}

#[tokio::test]
async fn both_sides_must_show_a_certificate_of_the_authority() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ours = certificates(folder.path(), "ours");
    let theirs = certificates(folder.path(), "theirs");
    assert_eq!(
        echo(&network(&ours), &network(&ours)).await.as_deref(),
        Some(&b"hello"[..])
    );
    assert_eq!(echo(&network(&ours), &network(&theirs)).await, None);
    assert_eq!(echo(&network(&ours), &TcpNetwork).await, None, "plain TCP");
    let forged = TlsFiles {
        authority: ours.authority.clone(),
        ..theirs
    };
    let forged = network(&forged);
    assert_eq!(echo(&network(&ours), &forged).await, None, "a client");
    assert_eq!(echo(&forged, &network(&ours)).await, None, "a server");
}

#[tokio::test]
async fn who_drags_the_handshake_out_holds_up_nobody() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = certificates(folder.path(), "ours");
    let network = network(&files);
    let mut listener = network.listen("127.0.0.1:0").await.expect("a port is free");
    let addr = listener.local_addr().expect("it is bound");
    let mut slow = tokio::net::TcpStream::connect(&addr).await.expect("open");
    slow.write_all(&[22])
        .await
        .expect("one byte of a handshake");
    let held = listener.accept().await.expect("it is let in");
    let asking = tokio::spawn(async move { network.connect(&addr).await.map(drop) });
    let mut stream = listener.accept().await.expect("the next is let in");
    let mut byte = [0];
    let end = stream.read(&mut byte).await;
    assert!(!matches!(end, Ok(1..)), "nothing was sent");
    asking.await.expect("no panic").expect("it got in");
    drop(held);
}

#[test]
fn what_is_wrong_with_the_files_is_said_with_the_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ours = certificates(folder.path(), "ours");
    let theirs = certificates(folder.path(), "theirs");
    let open = |files: TlsFiles| match TlsNetwork::new(Arc::new(TcpNetwork), &files) {
        Ok(_) => panic!("it can't be used"),
        Err(error) => error,
    };
    let swapped = open(TlsFiles {
        certificate: ours.key.clone(),
        ..ours.clone()
    });
    assert!(swapped.to_string().contains("ours-key.pem"), "{swapped}");
    let missing = open(TlsFiles {
        authority: folder.path().join("none.pem"),
        ..ours.clone()
    });
    assert!(missing.to_string().contains("none.pem"), "{missing}");
    let mixed = open(TlsFiles {
        key: theirs.key,
        ..ours
    });
    assert!(matches!(mixed, TlsError::Unusable { .. }), "{mixed}");
}
