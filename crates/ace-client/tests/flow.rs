mod common;

use ace_client::{Phase, Request};
use ace_wire::coap::Code;
use common::{Seen, World};

#[test]
fn rfc9200_4_hints_token_upload_access() {
    let mut world = World::new();
    let end = world.request(Request::get("/temp"));
    assert_eq!(end, Seen::Response(Code::CONTENT, b"21.5".to_vec(), true));
    use Phase::{Access, Hints, Idle, Token, Upload};
    assert_eq!(world.phases(), [Hints, Token, Upload, Access, Idle]);
}
