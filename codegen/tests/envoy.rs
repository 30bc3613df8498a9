//! The configuration of Envoy, as it stands in a file. An end-to-end test has Envoy read the same. After a change that is
//! meant: `UPDATE_EXPECT=1 cargo test -p hardwire-codegen --test envoy`.

#![allow(clippy::unwrap_used, reason = "a test stops where it stands")]

use expect_test::{ExpectFile, expect_file};
use hardwire_codegen::envoy::{Bodies, Options, Refusal, render};
use hardwire_codegen::{Source, check, ir};
use std::fs;
use std::path::Path;

fn router(text: &str) -> ir::Router {
    let (router, report) = check(&Source { path: "full.yaml", text });
    router.unwrap_or_else(|| panic!("{}", report.render_text(false)))
}

fn full() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/envoy/full.yaml")).unwrap()
}

fn env(name: &str) -> Option<String> {
    (name == "ELSEWHERE").then(|| "http://[::1]:9001/x".to_owned())
}

#[track_caller]
fn printed(options: &Options, expected: &ExpectFile) {
    let text = render(&router(&full()), options, env).unwrap();
    expected.assert_eq(&text);
    assert_eq!(text, render(&router(&full()), options, env).unwrap(), "the same bytes every time");
}

#[test]
fn clusters_for_each_model() {
    printed(&Options::default(), &expect_file!["envoy/full.envoy.yaml"]);
}

#[test]
fn wherever_the_router_says() {
    let options = Options {
        listen: Some(([127, 0, 0, 1], 8801).into()),
        admin: Some(([127, 0, 0, 1], 9901).into()),
        extproc: Some(("router.internal".to_owned(), 50052)),
        bodies: Bodies::FullDuplex,
        failure_mode_allow: true,
        original_dst: true,
        ca_file: "/etc/hardwire/ca.pem".to_owned(),
        client_cert: Some(("/etc/envoy/cert.pem".to_owned(), "/etc/envoy/key.pem".to_owned())),
    };
    printed(&options, &expect_file!["envoy/original_dst.envoy.yaml"]);
}

#[test]
fn examples() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/envoy");
    let text = fs::read_to_string(folder.join("router-config.yaml")).unwrap();
    let (router, report) = check(&Source { path: "router-config.yaml", text: &text });
    let router = router.unwrap_or_else(|| panic!("{}", report.render_text(false)));
    let options = Options { admin: Some(([127, 0, 0, 1], 9901).into()), ..Options::default() };
    expect_file!["../../examples/envoy/envoy.yaml"].assert_eq(&render(&router, &options, |_| None).unwrap());
    let options = Options { original_dst: true, ..options };
    expect_file!["../../examples/envoy/original_dst.yaml"].assert_eq(&render(&router, &options, |_| None).unwrap());
}

/// What the printed text says under a name of a cluster or route, up to the next one.
fn parts<'t>(text: &'t str, of: &str) -> Vec<&'t str> {
    text.split("\n    - name: ").filter(|part| part.lines().next() == Some(of)).collect()
}

fn models(refs: &str) -> String {
    format!("providers:\n  defaults: {{default_model: m}}\n  models:\n    - name: m\n      backend_refs:\n{refs}")
}

#[test]
fn backends_that_are_sent_the_same_share_a_cluster() {
    let cluster_count = |refs: &str| {
        let text = render(&router(&models(refs)), &Options::default(), env).unwrap();
        let clusters = text.split("\n  clusters:\n").nth(1).unwrap();
        clusters.matches("cluster_name:").count() - 1
    };
    let a = "        - {endpoint: '10.0.0.1:80'}\n";
    for (b, expected) in [
        ("{endpoint: '10.0.0.2:80', weight: 7}", 1),
        ("{endpoint: 'name:80'}", 1),
        ("{base_url: 'http://10.0.0.2/v1', provider: vllm}", 1),
        ("{base_url: 'http://10.0.0.2/v2', provider: vllm}", 2),
        ("{endpoint: '10.0.0.2:80', extra_headers: {X-A: b}}", 2),
        ("{endpoint: '10.0.0.2:80', api_key_env: KEY}", 2),
        ("{endpoint: '10.0.0.2:80', protocol: https}", 2),
        ("{provider: echo}", 1),
    ] {
        assert_eq!(cluster_count(&format!("{a}        - {b}\n")), expected, "{b}");
    }
    let tls = "        - {base_url: 'https://a/v1', provider: openai}\n        - {base_url: 'https://b/v1', provider: openai}\n";
    assert_eq!(cluster_count(tls), 2, "certificates are for one host");
    assert_eq!(cluster_count("        - {provider: echo}\n"), 0, "it answers in the router");
}

#[test]
fn failure_mode_allow_needs_somewhere_to_go() {
    let text = |allow| {
        // Of a model that otherwise would have no cluster of its own.
        let options = Options { failure_mode_allow: allow, original_dst: true, ..Options::default() };
        render(&router(&models("        - {endpoint: '10.0.0.1:80'}\n")), &options, env).unwrap()
    };
    assert!(text(false).contains("direct_response") && text(false).contains("failure_mode_allow: false"));
    assert!(text(true).contains("cluster: m\n") && text(true).contains("cluster_name: m\n"));
    assert!(!text(false).contains("cluster_name: m\n"));
    assert!(!text(true).contains("direct_response") && text(true).contains("failure_mode_allow: true"));
}

#[test]
fn failure_mode_allow_opens_no_guarded_door() {
    let allow = Options { failure_mode_allow: true, ..Options::default() };
    let document = |keys: &str| {
        let listeners =
            format!("listeners: [{{name: front, port: 1, timeout: 1s}}, {{name: door, port: 2, timeout: 1s{keys}}}]\n");
        router(&format!("{listeners}{}", models("        - {endpoint: '10.0.0.1:80'}\n")))
    };
    assert!(render(&document(""), &allow, env).is_ok());
    let guarded = document(", api_keys: ['${KEY}']");
    assert!(render(&guarded, &Options::default(), env).is_ok());
    let refused = render(&guarded, &allow, env).unwrap_err();
    let told: Vec<_> = refused.iter().map(ToString::to_string).collect();
    assert_eq!(refused, [Refusal::Unguarded { listener: "door".to_owned() }]);
    assert!(told[0].starts_with("`--failure-mode-allow` is refused: the listener `door` has `api_keys`"), "{told:?}");
}

#[test]
fn certificates_that_envoy_shows() {
    let shown = Options { client_cert: Some(("c".to_owned(), "k".to_owned())), ..Options::default() };
    let document = |tls: &str| {
        let echo = models("        - {provider: echo}\n");
        router(&format!("{echo}hardwire: {{extproc: {{{tls}}}}}\n"))
    };
    let (open, tls) = (document(""), document("tls: {cert_file: a, key_file: b}"));
    let mutual = document("tls: {cert_file: a, key_file: b, client_ca_file: c}");
    for (document, options, expected) in [
        (&open, &Options::default(), Ok(false)),
        (&open, &shown, Err(vec![Refusal::NoTls])),
        (&tls, &Options::default(), Ok(false)),
        (&tls, &shown, Ok(true)),
        (&mutual, &Options::default(), Err(vec![Refusal::NoCertificate])),
        (&mutual, &shown, Ok(true)),
    ] {
        let text = render(document, options, env);
        assert_eq!(text.map(|text| text.contains("tls_certificates")), expected);
    }
}

#[test]
fn nothing_but_the_router_bounds_what_is_under_way() {
    let text = render(&router(&full()), &Options::default(), env).unwrap();
    let clusters = text.split("\n  clusters:\n").nth(1).unwrap().split("\n    - name: ").count();
    let without_bound = ["max_connections", "max_pending_requests", "max_requests", "max_retries"];
    for bound in without_bound {
        assert_eq!(text.matches(&format!("{bound}: 4294967295\n")).count(), clusters, "{bound}");
    }
}

#[test]
fn reachable_where_it_listens_everywhere() {
    let text = |address: &str| {
        let document = models("        - {provider: echo}\n");
        let document = format!("{document}hardwire: {{extproc: {{address: '{address}', port: 50055}}}}\n");
        render(&router(&document), &Options::default(), env).unwrap()
    };
    for (address, expected) in [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.1.2.3", "10.1.2.3")] {
        let text = text(address);
        let cluster = parts(&text, "hardwire_extproc")[0];
        assert!(cluster.contains(&format!("address: \"{expected}\"")), "{cluster}");
        assert!(cluster.contains("port_value: 50055"));
    }
}

#[test]
fn what_the_environment_lacks() {
    let told = |env: &dyn Fn(&str) -> Option<String>| {
        let unset = render(&router(&full()), &Options::default(), env).unwrap_err();
        unset.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let backend = "the address of `elsewhere_primary`";
    assert_eq!(told(&|_| None), [format!("{backend} needs the environment variable ELSEWHERE, which is not set")]);
    assert_eq!(told(&|_| Some("http://x y".into())), [format!("{backend} cannot be used: it has white space in it")]);
}

#[test]
fn no_secret_is_printed() {
    let env = |name: &str| match name {
        "ELSEWHERE" => env(name),
        _ => Some("the-secret".to_owned()),
    };
    let text = render(&router(&full()), &Options::default(), env).unwrap();
    assert!(!text.contains("the-secret") && !text.to_lowercase().contains("authorization"));
}
