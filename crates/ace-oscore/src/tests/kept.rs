use super::*;
use crate::MAX_KEPT;

fn kept(context: &SecurityContext, reserved: u64) -> Vec<u8> {
    let mut out = [0; MAX_KEPT];
    let length = context.keep(reserved, &mut out).unwrap();
    out[..length].to_vec()
}

const ALL: [Parameters<'static>; 3] = [
    CLIENT,
    Parameters {
        id_context: Some(&[]),
        sender_id: &[],
        ..CLIENT
    },
    Parameters {
        id_context: Some(&[7; 24]),
        sender_id: &[1; 7],
        recipient_id: &[2; 7],
        ..CLIENT
    },
];

#[test]
fn rfc8613_b_1_a_context_that_was_kept_goes_on_where_it_must() {
    for parameters in ALL {
        let (mut client, mut server) = pair_of(parameters);
        let get = datagram(Code::GET, &[], &[]);
        let (before, _) = protect(&mut client, &get).unwrap();
        receive(&mut server, &before).unwrap().request();

        let server = SecurityContext::derive(&mirrored(parameters)).unwrap();
        let mut server = SecurityContext::from_kept(&kept(&server, 64)).unwrap();
        assert_eq!((server.next_sequence(), server.reserved()), (64, 64));
        assert!(!server.is_synchronised() && server.needs_reservation(1));
        assert_eq!(server.id_context(), parameters.id_context);
        // What was sent before may be a replay: it is challenged, under a number of its own.
        let (mut binding, echo) = receive(&mut server, &before).unwrap().challenge();
        let message = Message::parse(&before).unwrap();
        let mut out = [0; 64];
        let mut challenge = |server: &mut SecurityContext| {
            let (kind, id, token) = (Type::Acknowledgement, message.id, message.token);
            server.protect_challenge(&mut binding, &echo, kind, id, token, &mut out)
        };
        assert_eq!(challenge(&mut server), Err(OscoreError::NotReserved));
        server.reserve_up_to(128);
        let length = challenge(&mut server).unwrap();
        let answer = Message::parse(&out[..length]).unwrap();
        let option = OscoreOption::of(&answer).unwrap();
        assert_eq!(option.partial_iv.unwrap().number(), 64);
        // With the Echo it is a request.
        let again = datagram(Code::GET, &[(252, &echo)], &[]);
        let (again, _) = protect(&mut client, &again).unwrap();
        receive(&mut server, &again).unwrap().request();
        assert!(server.is_synchronised());
    }
}

#[test]
fn a_context_that_was_kept_with_less_than_is_reserved_is_kept_with_what_is() {
    let mut context = SecurityContext::derive(&CLIENT).unwrap();
    context.reserve_up_to(100);
    let again = SecurityContext::from_kept(&kept(&context, 10)).unwrap();
    assert_eq!(again.next_sequence(), 100);
}

#[test]
fn what_is_no_kept_context_makes_none() {
    for parameters in ALL {
        let context = SecurityContext::derive(&parameters).unwrap();
        let whole = kept(&context, 0);
        assert!(whole.len() <= MAX_KEPT);
        for end in 0..whole.len() {
            let parsed = SecurityContext::from_kept(&whole[..end]);
            // A record without its ID Context is another one.
            assert!(parsed.is_none() || parameters.id_context.is_some(), "{end}");
            assert!(context.keep(0, &mut vec![0; end]).is_none(), "{end}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut other = whole.clone();
                other[at] ^= 1 << bit;
                let _ = SecurityContext::from_kept(&other);
            }
        }
        let long = [&whole[..], &[0]].concat();
        let again = SecurityContext::from_kept(&long);
        assert!(again.is_none() || parameters.id_context.is_none());
    }
}
