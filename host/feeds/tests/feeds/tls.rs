//! TLS with a private authority.

use tidemill_feeds::{Feed, FeedSettings, Protocol};
use tidemill_pipeline::{FailureKind, ReadFrom};
use tokio_rustls::rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::{
    publisher::{Answer, Publisher},
    reading::{read, settings},
};

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_named_and_only_then() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let publisher = Publisher::start_tls(config, Answer::ok("{\"partition\":0,\"cursor\":\"1\"}\n")).await;
    let settings = settings(&publisher.url("/"), Protocol::ZeroEventHub);

    let failure = read(&Feed::open(settings.clone()).unwrap(), ReadFrom::First).await.failure();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.hint.as_deref().unwrap_or_default().contains("`ca-file`"), "{failure:?}");
    assert_eq!(publisher.targets().len(), 0);

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, certificate.pem()).unwrap();
    let trusting = FeedSettings { ca_file: Some(file.path().to_owned()), ..settings };
    let page = read(&Feed::open(trusting.clone()).unwrap(), ReadFrom::First).await;
    assert_eq!(page.spans.len(), 1, "{:?}", page.end);

    std::fs::write(&file, "no certificate").unwrap();
    let error = Feed::open(trusting).unwrap_err();
    assert!(error.to_string().starts_with("feed `orders`: the certificates in "), "{error}");
    assert!(error.hint().contains("`ca-file`"));
}
