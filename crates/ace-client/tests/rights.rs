//! More rights for the context in use (RFC 9203, 3.1 and 4.1).

mod common;

use ace_client::{Config, OnDenied, Phase, Request, Step};
use ace_wire::ace::{AsRequestCreationHints, ErrorCode, Scope};
use ace_wire::aif::MethodSet;
use ace_wire::coap::Code;
use common::{Reply, Seen, World, aif, config, hints, hints_of, temperature};

use Phase::{Access, Idle, Token, Update, Upload};

/// A world whose client may GET /temp.
fn settled(config: Config<'static, u16>) -> World {
    let mut world = World::configured(config);
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.phases();
    world
}

fn put() -> Request<'static> {
    Request {
        payload: b"1",
        ..Request::new(Code::PUT, "/led")
    }
}

fn changed() -> Seen {
    Seen::Response(Code::CHANGED, vec![], true)
}

#[test]
fn rfc9203_3_1_denied_request_is_repeated_after_an_update() {
    let mut world = settled(config());
    assert_eq!(world.request(put()), changed());
    assert_eq!(world.phases(), [Access, Update, Access, Idle]);
    let asked = &world.a.asked[1];
    assert_eq!(asked.kid, Some(vec![0]));
    assert_eq!(asked.audience.as_deref(), Some("thermo"));
    let both = aif(&[("/temp", MethodSet::GET), ("/led", MethodSet::PUT)]);
    assert_eq!(asked.scope, Some(both));
    // The same context, with both rights.
    assert_eq!((world.rs.uploads, world.rs.confirmed()), (1, 1));
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.request(put()), changed());
    assert_eq!(world.phases(), [Access, Idle, Access, Idle]);
    // 4.05, and a third right beside the two.
    let off = Seen::Response(Code::CONTENT, b"1".to_vec(), true);
    assert_eq!(world.request(Request::get("/led")), off);
    let three = [
        ("/temp", MethodSet::GET),
        ("/led", MethodSet::PUT | MethodSet::GET),
    ];
    assert_eq!(world.a.asked[2].scope, Some(aif(&three)));
    assert_eq!(world.a.asked.len(), 3);
}

#[test]
fn rfc9200_5_10_2_denied_post_is_repeated_since_the_denial_is_authentic() {
    let mut world = settled(config());
    let post = Request {
        payload: b"x",
        ..Request::new(Code::POST, "/log")
    };
    assert_eq!(
        world.request(post),
        Seen::Response(Code::CHANGED, b"x".to_vec(), true)
    );
}

#[test]
fn rfc9203_3_1_right_that_is_not_granted_is_reported_and_the_held_ones_stay() {
    let mut world = settled(config());
    world.a.grants = Some(aif(&[("/temp", MethodSet::GET)]));
    assert_eq!(world.request(put()), Seen::NotGranted(Code::FORBIDDEN));
    assert_eq!(world.phases(), [Access, Update, Idle]);
    assert_eq!(world.rs.values["/led"], b"0");
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Access, Idle]);
    // Asked again, it is asked for again, on top of what is held.
    world.a.grants = None;
    assert_eq!(world.request(put()), changed());
    let both = aif(&[("/temp", MethodSet::GET), ("/led", MethodSet::PUT)]);
    assert_eq!(world.a.asked[2].scope, Some(both));
}

#[test]
fn rfc9200_5_8_1_the_first_token_is_asked_for_with_what_the_request_needs() {
    // The resource server suggests GET /temp.
    let mut world = World::new();
    assert_eq!(world.request(put()), changed());
    assert_eq!(world.phases()[..4], [Phase::Hints, Token, Upload, Access]);
    let both = aif(&[("/temp", MethodSet::GET), ("/led", MethodSet::PUT)]);
    assert_eq!(world.a.asked[0].scope, Some(both));
    // Not granted: nothing is asked twice.
    let mut world = World::new();
    world.a.grants = Some(aif(&[("/temp", MethodSet::GET)]));
    assert_eq!(world.request(put()), Seen::NotGranted(Code::FORBIDDEN));
    assert_eq!(world.a.asked.len(), 1);
    assert_eq!(world.request(Request::get("/temp")), temperature());
}

#[test]
fn rfc9200_5_8_3_refusal_of_an_update_is_reported() {
    let mut world = settled(config());
    world.a.error = Some((ErrorCode::InvalidScope, "no"));
    let refused = Seen::RefusedByAs(ErrorCode::InvalidScope, "no".into());
    assert_eq!(world.request(put()), refused);
    assert_eq!(world.phases(), [Access, Update, Idle]);
    assert_eq!(world.request(Request::get("/temp")), temperature());
}

#[test]
fn rfc9200_5_10_2_denial_is_reported_when_configured_so() {
    let mut world = settled(Config {
        on_denied: OnDenied::Report,
        ..config()
    });
    let refused = Seen::RefusedByRs(Step::Access, Code::FORBIDDEN, true);
    assert_eq!(world.request(put()), refused);
    let refused = Seen::RefusedByRs(Step::Access, Code::METHOD_NOT_ALLOWED, true);
    assert_eq!(world.request(Request::new(Code::DELETE, "/temp")), refused);
    assert_eq!(world.a.asked.len(), 1);
}

#[test]
fn rfc9203_3_1_key_unknown_to_the_as_leads_to_another_token() {
    let mut world = settled(config());
    world.a.knows_keys = false;
    assert_eq!(world.request(put()), changed());
    assert_eq!(
        world.phases(),
        [Access, Update, Token, Upload, Access, Idle]
    );
    assert_eq!(world.request(Request::get("/temp")), temperature());
}

#[test]
fn rfc9200_5_10_1_right_of_a_token_that_did_not_arrive_is_uploaded_once_it_is_missed() {
    let mut world = settled(config());
    world.a.knows_keys = false;
    // Another token is granted, and somebody says that it is refused.
    world.rs.bend_upload = Some(Box::new(|_| Reply::new(Code::BAD_REQUEST)));
    let refused = Seen::RefusedByRs(Step::Upload, Code::BAD_REQUEST, false);
    assert_eq!(world.request(put()), refused);
    assert_eq!(world.phases(), [Access, Update, Token, Upload, Idle]);
    world.rs.bend_upload = None;
    // What the context of the first token allows goes on under it.
    assert_eq!(world.request(Request::get("/temp")), temperature());
    assert_eq!(world.phases(), [Access, Idle]);
    let asked = world.a.asked.len();
    assert_eq!(world.request(put()), changed());
    assert_eq!(world.phases(), [Access, Upload, Access, Idle]);
    assert_eq!(world.a.asked.len(), asked);
}

#[test]
fn rfc9200_5_10_2_denial_of_a_right_that_is_held_asks_for_nothing() {
    let mut world = settled(config());
    world.rs.denies = Some(Code::FORBIDDEN);
    let refused = Seen::RefusedByRs(Step::Access, Code::FORBIDDEN, true);
    assert_eq!(world.request(Request::get("/temp")), refused);
    assert_eq!(world.phases(), [Access, Idle]);
    // One that is not held is asked for once per request, and then held.
    assert_eq!(world.request(put()), refused);
    assert_eq!(world.phases(), [Access, Update, Access, Idle]);
    assert_eq!(world.request(put()), refused);
    assert_eq!(world.phases(), [Access, Idle]);
    assert_eq!(world.a.asked.len(), 2);
}

#[test]
fn rfc9203_4_2_update_that_the_rs_refuses_is_reported() {
    let mut world = settled(config());
    // A client-nonce that the update does not carry.
    world.rs.cnonce = Some(vec![1]);
    let refused = Seen::RefusedByRs(Step::Update, Code::UNAUTHORIZED, true);
    assert_eq!(world.request(put()), refused);
    world.rs.cnonce = None;
    assert_eq!(world.request(Request::get("/temp")), temperature());
}

#[test]
fn rfc9200_5_3_1_cnonce_of_a_denial_is_copied_into_the_request_for_more_rights() {
    let get_put = MethodSet::GET | MethodSet::PUT;
    let led = aif(&[("/temp", MethodSet::GET), ("/led", MethodSet::PUT)]);
    // 4.03 and 4.05
    for (path, both) in [("/led", led), ("/temp", aif(&[("/temp", get_put)]))] {
        let mut world = settled(config());
        world.rs.cnonce = Some(vec![7, 8]);
        world.rs.denial = Some(hints("thermo", Some(&[7, 8])));
        let request = Request {
            payload: b"1",
            ..Request::new(Code::PUT, path)
        };
        assert_eq!(world.request(request), changed());
        assert_eq!(world.phases(), [Access, Update, Access, Idle]);
        assert_eq!(world.a.asked[1].cnonce, Some(vec![7, 8]));
        // The scope that the hints suggest does not take the place of what is needed.
        assert_eq!(world.a.asked[1].scope, Some(both));
    }
    // Advice to go to another authorization server is no advice.
    let mut world = settled(config());
    world.rs.denial = Some(hints_of(AsRequestCreationHints {
        r#as: Some("coap://evil.example/token"),
        cnonce: Some(&[9]),
        ..Default::default()
    }));
    assert_eq!(world.request(put()), changed());
    assert_eq!(world.a.asked[1].cnonce, None);
}

#[test]
fn rfc9203_3_2_after_an_update_the_token_with_the_key_is_what_is_uploaded_again() {
    let mut world = settled(config());
    assert_eq!(world.request(put()), changed());
    world.phases();
    world.rs.forget();
    assert_eq!(world.request(put()), changed());
    assert_eq!(
        world.phases(),
        [Access, Upload, Access, Update, Access, Idle]
    );
    assert_eq!(world.request(Request::get("/temp")), temperature());
}

#[test]
fn rfc9203_3_1_rs_that_forgets_before_the_update_gets_the_token_again() {
    let mut world = settled(config());
    // The resource server restarts while the client is at the authorization server.
    world
        .client
        .request(world.network.now, common::RS, put())
        .unwrap();
    while world.a.asked.len() < 2 {
        assert!(world.step());
    }
    world.rs.forget();
    assert_eq!(world.finish(), changed());
    assert_eq!(
        world.phases(),
        [Access, Update, Upload, Access, Update, Access, Idle]
    );
}

#[test]
fn rfc9203_3_2_update_with_a_key_of_its_own_is_another_token() {
    let mut world = settled(config());
    world.a.knows_keys = true;
    // An authorization server that answers the request for an update with a whole token.
    let fresh = std::rc::Rc::new(std::cell::RefCell::new(None::<Reply>));
    let mut other = World::new();
    let keep = fresh.clone();
    other.a.bend = Some(Box::new(move |_, reply| {
        keep.replace(Some(reply.clone()));
        reply
    }));
    let scope = aif(&[("/temp", MethodSet::GET), ("/led", MethodSet::PUT)]);
    let request = Request {
        audience: Some("thermo"),
        scope: Some(Scope::Bytes(&scope)),
        ..Request::get("/temp")
    };
    assert_eq!(other.request(request), temperature());
    let whole = fresh.borrow().clone().unwrap();
    world.a.bend = Some(Box::new(move |_, _| whole.clone()));
    assert_eq!(world.request(put()), changed());
    assert_eq!(world.phases(), [Access, Update, Upload, Access, Idle]);
}

#[test]
fn rfc9203_4_2_update_brings_its_own_end() {
    let mut world = settled(Config {
        renew_before: core::time::Duration::ZERO,
        ..config()
    });
    world.rest(2_000_000);
    assert_eq!(world.request(put()), changed());
    world.phases();
    // The first token has ended, the update not.
    world.rest(2_000_000);
    assert_eq!(world.request(put()), changed());
    assert_eq!(world.phases(), [Access, Idle]);
    world.rest(2_000_000);
    assert_eq!(world.request(put()), changed());
    assert_eq!(world.phases(), [Token, Upload, Access, Idle]);
}

#[test]
fn rfc6749_3_3_text_scopes_are_asked_for_as_given() {
    let mut world = settled(config());
    // Of another kind than the one held: there is no union, and no update.
    let request = Request {
        scope: Some(Scope::Text("write")),
        ..put()
    };
    let refused = Seen::RefusedByRs(Step::Access, Code::FORBIDDEN, true);
    assert_eq!(world.request(request), refused);
    assert_eq!(world.a.asked.len(), 1);
}

#[test]
fn rfc9203_3_1_update_names_the_key_in_use_or_is_another_token() {
    // A renewed token, with another key, that the resource server could not be given.
    let mut world = settled(config());
    world.rest(3_550_000);
    let unavailable = || Reply::new(Code::INTERNAL_SERVER_ERROR);
    world.rs.bend_upload = Some(Box::new(move |_| unavailable()));
    assert_eq!(world.request(Request::get("/temp")), temperature());
    world.rest(1_000);
    assert_eq!(world.client.notices.len(), 1);
    world.rs.bend_upload = None;
    world.phases();
    assert_eq!(world.request(put()), changed());
    assert_eq!(world.phases(), [Access, Token, Upload, Access, Idle]);
    assert!(world.a.asked.iter().all(|asked| asked.kid.is_none()));
}
