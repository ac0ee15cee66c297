//! From the configuration to a chain of upstreams, and the order in which they are asked.

use super::*;

fn three() -> &'static str {
    "[[collateral.upstreams]]\nkind = \"folder\"\npath = \"DIR/mirror\"\n\
     [[collateral.upstreams]]\nkind = \"pccs\"\nurl = \"URL\"\nCOMMON\n\
     [[collateral.upstreams]]\nkind = \"kds\"\nurl = \"URL\"\nCOMMON\n"
}

fn names(chain: &Chain) -> Vec<String> {
    chain.states().map(|state| state.counters.name.clone()).collect()
}

#[tokio::test]
async fn upstreams_stand_in_their_order() {
    let scene = Scene::start().await;
    assert_eq!(names(&scene.chain(three()).unwrap()), ["folder", "pccs", "kds"]);
    let offline = format!("[collateral]\nmode = \"offline\"\n{}", three());
    assert_eq!(names(&scene.chain(&offline).unwrap()), ["folder"], "nothing over a network");
    let none = scene.chain("").unwrap();
    assert!(none.is_empty());
    let failures = none.ask(&tcb_info(), Asker::Own, |_, fetched| Ok(fetched)).await.unwrap_err();
    assert_eq!(failures.to_string(), "no upstream is configured");
    assert_eq!((failures.is_passing(), failures.code()), (false, "upstream-not-offered"));
}

#[tokio::test]
async fn the_first_usable_answer_is_the_one() {
    let scene = Scene::start().await;
    let chain = scene.chain(three()).unwrap();
    scene.answers(Scripted::new(200, &[("TCB-Info-Issuer-Chain", ENCODED)], "{}"));
    let found = chain.ask(&tcb_info(), Asker::Own, |_, fetched| Ok(fetched)).await.unwrap();
    assert_eq!((found.source.as_str(), Ok(found.value)), ("pccs", document(b"{}", Some(CHAIN))));

    scene.answers(Scripted::new(200, &[], DER));
    let refuse = |source: &str, _| if source == "kds" { Ok(()) } else { Err("it is not genuine".to_owned()) };
    let found = chain.ask(&vcek(1), stranger(1), refuse).await.unwrap();
    assert_eq!(found.source, "kds", "a forged answer does not stand before a genuine one");
    let refused = |_: &str, _| Err::<(), _>("it is not genuine".to_owned());
    let failures = chain.ask(&vcek(1), Asker::Own, refused).await.unwrap_err();
    assert_eq!(
        failures.to_string(),
        "`folder`: it does not know this: status 404; `pccs`: its answer cannot be used: it is not genuine; \
         `kds`: its answer cannot be used: it is not genuine"
    );
    assert_eq!((failures.is_passing(), failures.code()), (true, "upstream-bad-answer"));
    let refusals: Vec<_> = chain.states().map(|state| state.counters.failures()).collect();
    assert_eq!(refusals[1], BTreeMap::from([("upstream-bad-answer", 2)]));

    scene.answers(Scripted::new(429, &[("retry-after", "40")], ""));
    let failures = chain.ask(&vcek(2), Asker::Own, |_, fetched| Ok(fetched)).await.unwrap_err();
    assert_eq!((failures.is_passing(), failures.code()), (true, "upstream-throttled"));

    let chain = scene.chain(three()).unwrap();
    scene.answers(Scripted::status(461));
    let failures = chain.ask(&tcb_info(), Asker::Own, |_, fetched| Ok(fetched)).await.unwrap_err();
    assert_eq!((failures.is_passing(), failures.code()), (false, "upstream-unknown"));
}

#[tokio::test]
async fn strangers_are_counted_against_their_share() {
    let scene = Scene::start().await;
    let text =
        "[[collateral.upstreams]]\nkind = \"kds\"\nurl = \"URL\"\nca_file = \"DIR/ca.pem\"\nburst = 4\n";
    let chain = scene.chain(text).unwrap();
    scene.answers(Scripted::new(200, &[], DER));
    let mut outcomes = Vec::new();
    for number in 0..4 {
        outcomes.push(chain.ask(&vcek(number), stranger(1), |_, _| Ok(())).await.is_ok());
    }
    assert_eq!((outcomes.as_slice(), scene.asked()), (&[true, true, false, false][..], 2));
    assert!(chain.ask(&vcek(9), Asker::Own, |_, _| Ok(())).await.is_ok());
}

#[tokio::test]
async fn files_that_cannot_be_used_stop_the_start() {
    let scene = Scene::start().await;
    let key = scene.folder.path().join("key");
    std::fs::write(&key, "0123456789abcdef").unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let pcs = "[[collateral.upstreams]]\nkind = \"pcs\"\nname = \"intel\"\nkey_file = \"DIR/key\"\n";
    let error = scene.chain(pcs).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("the upstream `intel`: `") && text.ends_with("it must be 0600"), "{text}");
    assert!(!format!("{error:?}").contains("0123456789abcdef"));
    assert_eq!(error.code(), "upstream-file");
    std::fs::write(scene.folder.path().join("no.pem"), "nothing").unwrap();
    let kds = "[[collateral.upstreams]]\nkind = \"kds\"\nca_file = \"DIR/no.pem\"\n";
    let expected = UpstreamSetupError::Egress {
        upstream: "kds".to_owned(),
        error: EgressError::Roots { problem: "there is no certificate in it".to_owned() },
    };
    assert_eq!((expected.code(), scene.chain(kds).unwrap_err()), ("upstream-client", expected));
}

#[test]
fn bounds_come_from_the_configuration() {
    let network = crate::config::NetworkConfig {
        ca_file: None,
        timeout_seconds: 20,
        retries: 3,
        requests_per_second: 0.1,
        burst: 10,
    };
    let urls = vec!["https://a".to_owned(), "https://b".to_owned()];
    let kds = UpstreamConfig { name: "kds".to_owned(), source: UpstreamSource::Kds { urls }, network };
    let expected = Bounds {
        timeout: Duration::from_secs(40),
        retries: 3,
        interval: Duration::from_secs(10),
        burst: 10,
        is_remote: true,
    };
    assert_eq!(bounds(&kds), expected, "time for each mirror");
    let folder = UpstreamConfig { source: UpstreamSource::Folder { path: "/m".into() }, ..kds };
    assert_eq!((bounds(&folder).interval, bounds(&folder).retries), (Duration::ZERO, 0));
    assert!(!bounds(&folder).is_remote);
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Every level, of every library below.
#[tokio::test]
async fn neither_platforms_nor_keys_get_into_the_log() {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = || {
        let writer = writer.clone();
        let builder = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
        tracing::Dispatch::new(builder.with_writer(move || writer.clone()).finish())
    };
    // While there is only one subscriber, a line that a test on another thread, without one, comes to first is off for all.
    let _second = subscriber();
    let _logging = tracing::dispatcher::set_default(&subscriber());
    let scene = Scene::start().await;
    crate::files::write_private(&scene.folder.path().join("key"), b"0123456789abcdef").unwrap();
    let text = "[[collateral.upstreams]]\nkind = \"pcs\"\nurl = \"URL\"\nkey_file = \"DIR/key\"\nCOMMON\n\
                [[collateral.upstreams]]\nkind = \"pccs\"\nurl = \"URL\"\nkey_file = \"DIR/key\"\nCOMMON\n\
                [[collateral.upstreams]]\nkind = \"kds\"\nurl = \"URL\"\nCOMMON\n";
    let chain = scene.chain(text).unwrap();
    let mut told = format!("{chain:?}");
    let bodies = [
        Scripted::status(500),
        Scripted::status(404),
        Scripted::new(200, &[], "0xabababab"),
        Scripted::status(429),
    ];
    for (number, scripted) in bodies.into_iter().enumerate() {
        scene.answers(scripted);
        for wanted in [
            vcek(0xab),
            Wanted::Pcks(platform(0xab, None)),
            Wanted::Pcks(platform(0xab, Some(vec![0xab; 40]))),
            Wanted::Registration(RegistrationRequest::Platform(Bytes::from_static(b"abababab"))),
            Wanted::Registration(RegistrationRequest::Packages(Bytes::from_static(b"abababab"))),
        ] {
            let failures = chain.ask(&wanted, Asker::Own, |_, _| Ok(())).await.unwrap_err();
            told += &format!("{number} {failures} {failures:?} {wanted:?}");
        }
    }
    told += &String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(told.contains("upstream gave nothing") && told.contains("amd/vcek/Milan"), "it does log");
    for secret in ["abab", "ABAB", "171, 171", "0123456789abcdef"] {
        assert!(!told.contains(secret), "{secret}: {:.2000}", told);
    }
}

#[tokio::test]
async fn an_address_that_is_never_connected_to_is_refused_at_the_start() {
    let scene = Scene::start().await;
    let set_up = |url: &str, allow: &str| {
        let mut config =
            scene.config(&format!("[[collateral.upstreams]]\nkind = \"pccs\"\nurl = \"{url}\"\n"));
        config.egress.allow = allow.split_whitespace().map(|entry| entry.parse().unwrap()).collect();
        let chain = build(&config, &Clock::system(), &sequences());
        chain.map(|_| ()).map_err(|error| (error.code(), error.to_string()))
    };
    let told = |address: &str| {
        let sentence =
            format!("the upstream `pccs`: `{address}` is not public, and `egress.allow` does not name it");
        Err(("upstream-not-public", sentence))
    };
    assert_eq!(set_up("https://127.0.0.1:8081", ""), told("127.0.0.1:8081"));
    assert_eq!(set_up("https://localhost:8081", ""), told("localhost:8081"));
    assert_eq!(set_up("https://[::1]", ""), told("[::1]:443"));
    assert_eq!(set_up("https://10.0.0.7", "10.0.0.8:443"), told("10.0.0.7:443"));
    assert_eq!(set_up("https://10.0.0.7", "10.0.0.7:443"), Ok(()));
    assert_eq!(set_up("https://10.0.0.7", "10.0.0.0/8"), Ok(()));
    assert_eq!(set_up("https://pccs.example.org", ""), Ok(()), "where a name leads is seen later");
}
