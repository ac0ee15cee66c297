//! Intel's registration service, passed on.

use assay_collateral::upstream::{Registered, RegistrationRequest};

use super::super::registration::{packages, platform};
use super::*;

fn manifest() -> Bytes {
    Bytes::from_static(b"a manifest")
}

fn wanted() -> Wanted {
    Wanted::Registration(RegistrationRequest::Platform(manifest()))
}

fn declined(status: u16, code: Option<&str>, message: Option<&str>) -> UpstreamError {
    UpstreamError::Declined { status, code: code.map(str::to_owned), message: message.map(str::to_owned) }
}

#[tokio::test]
async fn answers_of_intels_are_told_in_its_words() {
    let world = World::new();
    let identity = world.service(LibraryOptions::default());
    let unavailable = UpstreamError::Unavailable { problem: "it answers with the status 503".to_owned() };
    let own = "Intel's registration service does not take this.";
    let cases = [
        (declined(400, Some("PackageNotFound"), Some("No.")), 400, "PackageNotFound", "No."),
        (declined(415, None, None), 415, "InvalidRequestSyntax", own),
        (unavailable.clone(), 503, "", ""),
        (UpstreamError::NotAsked { reason: "x" }, 503, "", ""),
        (UpstreamError::BadAnswer { problem: "x".to_owned() }, 503, "", ""),
        (UpstreamError::Throttled { retry_after: None }, 503, "", ""),
    ];
    for (error, status, code, message) in cases {
        world.upstream.says(wanted(), Err(error.clone()));
        let reply = platform(&identity, None, manifest()).await.unwrap_or_else(Reply::from);
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (status, message.as_bytes()), "{error:?}");
        let header = |name: &str| reply.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("error-code").unwrap_or_default(), code, "{error:?}");
        // Nothing that could be taken for data.
        let names: Vec<&str> = reply.headers.keys().map(|name| name.as_str()).collect();
        assert!(status != 503 || names == ["retry-after"], "{names:?}");
    }
    for (error, status) in
        [(UpstreamError::Unauthorized { status: 401 }, 502), (UpstreamError::NotOffered, 501)]
    {
        world.upstream.says(wanted(), Err(error));
        let reply: Reply = platform(&identity, None, manifest()).await.unwrap_err().into();
        assert_eq!(reply.status.as_u16(), status);
        assert!(!reply.body.is_empty());
    }
}

#[tokio::test]
async fn offline_nobody_is_asked() {
    let world = World::new();
    world.upstream.says(wanted(), Ok(Fetched::Registered(Registered::Platform { ppid: [7; 16] })));
    let offline = LibraryOptions { mode: Mode::Offline, ..LibraryOptions::default() };
    let identity = world.service(offline);
    for reply in [platform(&identity, None, manifest()).await, packages(&identity, manifest()).await] {
        assert_eq!(Reply::from(reply.unwrap_err()).status.as_u16(), 501);
    }
    assert_eq!(world.upstream.times_asked(), 0);
}

#[tokio::test]
async fn the_manifest_is_kept_with_the_platform_of_the_ppid() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let identity = world.service(LibraryOptions::default());
    let asked = platforms::by_ppid();
    world.knows(&asked, &world.pcks(&[assay_silicon::intel::TcbStatus::UpToDate]));
    identity.platforms.register(asked.clone()).await.unwrap();
    let has_manifest = async || identity.platforms.known(asked.id).await.unwrap().unwrap().has_manifest;
    for (ppid, kept) in [([8; 16], "not-kept"), (platforms::PPID, "kept")] {
        assert!(!has_manifest().await);
        world.upstream.says(wanted(), Ok(Fetched::Registered(Registered::Platform { ppid })));
        let reply = platform(&identity, None, manifest()).await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.body), (201, hex::encode(ppid).into()));
        assert_eq!(reply.headers["x-assay-manifest"], kept);
    }
    assert!(has_manifest().await);
    // It is sealed: the store has it nowhere in the clear.
    let digits = hex::encode(manifest());
    let heads = world.store.heads(None, None, 100).unwrap().items;
    assert!(heads.iter().any(|head| head.name.as_str().starts_with("collateral/platform/")));
    for head in heads {
        let blob = world.store.blob(&head.digest).unwrap().unwrap();
        let holds = |text: &[u8]| blob.windows(text.len()).any(|window| window == text);
        assert!(!holds(digits.as_bytes()) && !holds(&manifest()), "{}", head.name);
    }
}
