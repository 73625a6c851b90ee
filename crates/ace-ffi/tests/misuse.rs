//! Whatever a program does wrong that can be told: an error, and nothing has changed.

mod common;

use std::ptr;

use ace_ffi::ace_status::*;
use ace_ffi::*;
use common::*;

const SEED: [u8; ACE_SEED_SIZE] = [3; ACE_SEED_SIZE];

fn init_client(
    memory: &mut [u8],
    config: *const ace_client_config,
    state: ace_bytes,
) -> Result<*mut ace_client, ace_status> {
    let mut client = ptr::null_mut();
    // SAFETY: pointers are null or valid.
    match unsafe {
        ace_client_init(
            memory.as_mut_ptr(),
            memory.len(),
            config,
            SEED.as_ptr(),
            state,
            &mut client,
        )
    } {
        ACE_OK => Ok(client),
        status => {
            assert!(client.is_null());
            Err(status)
        }
    }
}

fn init_rs(memory: &mut [u8], config: *const ace_rs_config) -> Result<*mut ace_rs, ace_status> {
    let mut rs = ptr::null_mut();
    // SAFETY: pointers are null or valid.
    match unsafe {
        ace_rs_init(
            memory.as_mut_ptr(),
            memory.len(),
            config,
            SEED.as_ptr(),
            NO_BYTES,
            &mut rs,
        )
    } {
        ACE_OK => Ok(rs),
        status => Err(status),
    }
}

#[test]
fn memory_that_is_short_unaligned_or_missing_is_refused() {
    let mut memory = Memory::<{ ACE_CLIENT_SIZE + 8 }>::new();
    let config = client_config();
    let memory = &mut memory.0;
    assert_eq!(
        init_client(&mut memory[1..], &config, NO_BYTES).unwrap_err(),
        ACE_ERR_MEMORY
    );
    assert_eq!(
        init_client(&mut memory[..64], &config, NO_BYTES).unwrap_err(),
        ACE_ERR_MEMORY
    );
    assert!(
        memory.iter().all(|byte| *byte == 0xa5),
        "nothing was written"
    );
    assert_eq!(
        init_client(memory, ptr::null(), NO_BYTES).unwrap_err(),
        ACE_ERR_NULL
    );
    assert!(init_client(memory, &config, NO_BYTES).is_ok());

    let mut memory = Memory::<{ ACE_RS_SIZE + 8 }>::new();
    let memory = &mut memory.0;
    let config = rs_config();
    assert_eq!(
        init_rs(&mut memory[1..], &config).unwrap_err(),
        ACE_ERR_MEMORY
    );
    assert_eq!(
        init_rs(&mut memory[..64], &config).unwrap_err(),
        ACE_ERR_MEMORY
    );
    assert_eq!(init_rs(memory, ptr::null()).unwrap_err(), ACE_ERR_NULL);
    assert!(init_rs(memory, &config).is_ok());
}

#[test]
fn every_null_in_init_is_told() {
    let mut memory = Memory::<ACE_CLIENT_SIZE>::new();
    let (config, mut client) = (client_config(), ptr::null_mut());
    let (at, size, seed) = (memory.0.as_mut_ptr(), ACE_CLIENT_SIZE, SEED.as_ptr());
    // SAFETY: pointers are null or valid.
    unsafe {
        assert_eq!(
            ace_client_init(ptr::null_mut(), size, &config, seed, NO_BYTES, &mut client),
            ACE_ERR_NULL
        );
        assert_eq!(
            ace_client_init(at, size, ptr::null(), seed, NO_BYTES, &mut client),
            ACE_ERR_NULL
        );
        assert_eq!(
            ace_client_init(at, size, &config, ptr::null(), NO_BYTES, &mut client),
            ACE_ERR_NULL
        );
        assert_eq!(
            ace_client_init(at, size, &config, seed, NO_BYTES, ptr::null_mut()),
            ACE_ERR_NULL
        );
        let lost = ace_bytes {
            data: ptr::null(),
            length: 4,
        };
        assert_eq!(
            ace_client_init(at, size, &config, seed, lost, &mut client),
            ACE_ERR_NULL
        );
    }
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let mut memory = Memory::<ACE_CLIENT_SIZE>::new();
    let mut refused = |change: &dyn Fn(&mut ace_client_config)| {
        let mut config = client_config();
        change(&mut config);
        match init_client(&mut memory.0, &config, NO_BYTES) {
            Ok(_) => panic!("taken: {config:?}"),
            Err(status) => status,
        }
    };
    assert_eq!(refused(&|config| config.as_uri = ptr::null()), ACE_ERR_NULL);
    assert_eq!(
        refused(&|config| config.as_uri = text("not a uri")),
        ACE_ERR_CONFIG
    );
    assert_eq!(
        refused(&|config| config.as_uri = c"\xff".as_ptr()),
        ACE_ERR_ARGUMENT
    );
    assert_eq!(
        refused(&|config| config.master_secret = NO_BYTES),
        ACE_ERR_KEY
    );
    assert_eq!(
        refused(&|config| config.sender_id = kept(&[9; 20])),
        ACE_ERR_CONFIG
    );
    assert_eq!(
        refused(&|config| config.recipient_id = kept(b"c1")),
        ACE_ERR_CONFIG
    );
    assert_eq!(refused(&|config| config.aead = 99), ACE_ERR_UNSUPPORTED);
    assert_eq!(refused(&|config| config.hkdf = 99), ACE_ERR_UNSUPPORTED);
    assert_eq!(
        refused(&|config| config.as_security = 77),
        ACE_ERR_UNSUPPORTED
    );
    assert_eq!(
        refused(&|config| config.as_security = ACE_SECURITY_PSK),
        ACE_ERR_CONFIG
    );
    assert_eq!(
        refused(&|config| config.as_security = ACE_SECURITY_RPK),
        ACE_ERR_KEY
    );
    assert_eq!(
        refused(&|config| config.private_key = kept(&[1; 31])),
        ACE_ERR_KEY
    );
    assert_eq!(
        refused(&|config| config.private_key = kept(&[0; 32])),
        ACE_ERR_KEY
    );
    assert_eq!(
        refused(&|config| (config.private_key, config.curve) = (kept(&[1; 32]), 9)),
        ACE_ERR_UNSUPPORTED
    );
    assert_eq!(
        refused(&|config| config.as_public_key = kept(&[1; 91])),
        ACE_ERR_KEY
    );

    let mut memory = Memory::<ACE_RS_SIZE>::new();
    let mut refused = |change: &dyn Fn(&mut ace_rs_config)| {
        let mut config = rs_config();
        change(&mut config);
        match init_rs(&mut memory.0, &config) {
            Ok(_) => panic!("taken: {config:?}"),
            Err(status) => status,
        }
    };
    assert_eq!(
        refused(&|config| config.audience = ptr::null()),
        ACE_ERR_NULL
    );
    assert_eq!(refused(&|config| config.issuer = ptr::null()), ACE_ERR_NULL);
    assert_eq!(refused(&|config| config.token_key = NO_BYTES), ACE_ERR_KEY);
    assert_eq!(
        refused(&|config| config.token_key = kept(&[1; 15])),
        ACE_ERR_KEY
    );
    assert_eq!(
        refused(&|config| config.token_alg = 99),
        ACE_ERR_UNSUPPORTED
    );
    assert_eq!(refused(&|config| config.token_alg = -7), ACE_ERR_KEY);
    assert_eq!(
        refused(&|config| config.resources = ptr::null()),
        ACE_ERR_NULL
    );
    assert_eq!(
        refused(&|config| config.resource_count = ACE_RS_RESOURCES + 1),
        ACE_ERR_TOO_LONG
    );
    let nowhere = Box::leak(Box::new([ace_resource {
        path: text("temp"),
        ..zeroed()
    }]));
    assert_eq!(
        refused(&|config| (config.resources, config.resource_count) = (nowhere.as_ptr(), 1)),
        ACE_ERR_CONFIG
    );
}

#[test]
fn what_is_no_handle_or_was_ended_is_told_by_every_function() {
    let mut memory = Memory::<ACE_CLIENT_SIZE>::new();
    let client = init_client(&mut memory.0, &client_config(), NO_BYTES).unwrap();
    let mut rs_memory = Memory::<ACE_RS_SIZE>::new();
    let rs = init_rs(&mut rs_memory.0, &rs_config()).unwrap();
    // SAFETY: live handles, ended once.
    unsafe {
        assert_eq!(ace_client_deinit(client), ACE_OK);
        assert_eq!(ace_rs_deinit(rs), ACE_OK);
    }
    assert!(
        memory
            .0
            .iter()
            .take(ACE_CLIENT_SIZE - 2048)
            .all(|byte| *byte == 0),
        "wiped"
    );
    let (address, wanted) = (zeroed::<ace_address>(), get("/temp"));
    let (mut to, mut out, mut at, mut one) = (address, NO_BYTES, 0u64, [0u8]);
    let (mut event, mut rs_event) = (zeroed::<ace_client_event>(), zeroed::<ace_rs_event>());
    let empty = Memory::<ACE_RS_SIZE>::new();
    let odd = empty.0[1..].as_ptr().cast_mut();
    for (bad, expected) in [
        (ptr::null_mut::<u8>(), ACE_ERR_NULL),
        (client.cast(), ACE_ERR_HANDLE),
        (empty.0.as_ptr().cast_mut(), ACE_ERR_HANDLE),
        (odd, ACE_ERR_HANDLE),
    ] {
        let (client, rs) = (bad.cast::<ace_client>(), bad.cast::<ace_rs>());
        // SAFETY: null, or readable memory.
        let said = unsafe {
            [
                ace_client_deinit(client),
                ace_client_request(client, 0, 0, &address, &wanted),
                ace_client_cancel(client),
                ace_client_cancel_observation(client),
                ace_client_handle(client, 0, 0, &address, one.as_mut_ptr(), 1),
                ace_client_poll_transmit(client, 0, &mut to, &mut out),
                ace_client_poll_event(client, &mut event),
                ace_client_poll_timeout(client, &mut at),
                ace_client_handle_timeout(client, 0, 0),
                ace_client_unsaved(client, &mut out),
                ace_client_saved(client),
                ace_client_reseed(client, NO_BYTES),
                ace_rs_deinit(rs),
                ace_rs_handle(rs, 0, 0, &address, one.as_mut_ptr(), 1),
                ace_rs_poll_transmit(rs, 0, &mut to, &mut out),
                ace_rs_poll_event(rs, &mut rs_event),
                ace_rs_poll_timeout(rs, &mut at),
                ace_rs_handle_timeout(rs, 0, 0),
                ace_rs_set(rs, 0, 0, 0, NO_BYTES),
                ace_rs_revoke(rs, 0, NO_BYTES, ptr::null_mut()),
                ace_rs_unsaved(rs, &mut out),
                ace_rs_saved(rs),
                ace_rs_reseed(rs, NO_BYTES),
            ]
        };
        assert!(said.iter().all(|status| *status == expected), "{said:?}");
    }
}

#[test]
fn a_handle_of_the_other_kind_is_no_handle() {
    let mut memory = Memory::<ACE_RS_SIZE>::new();
    let rs = init_rs(&mut memory.0, &rs_config()).unwrap();
    // SAFETY: readable memory of at least the size of a client.
    unsafe {
        assert_eq!(ace_client_cancel(rs.cast()), ACE_ERR_HANDLE);
        assert_eq!(ace_client_deinit(rs.cast()), ACE_ERR_HANDLE);
        assert_eq!(ace_rs_deinit(rs), ACE_OK);
    }
}

#[test]
fn nothing_is_given_to_send_until_the_state_is_saved() {
    let mut memory = Memory::<ACE_CLIENT_SIZE>::new();
    let client = init_client(&mut memory.0, &client_config(), NO_BYTES).unwrap();
    let mut address = zeroed::<ace_address>();
    let (mut out, mut state) = (NO_BYTES, NO_BYTES);
    // SAFETY: a live handle and valid pointers.
    unsafe {
        assert_eq!(
            ace_client_request(client, 0, 0, &address, &get("/temp")),
            ACE_OK
        );
        assert_eq!(
            ace_client_poll_transmit(client, 0, &mut address, &mut out),
            ACE_ERR_UNSAVED
        );
        assert_eq!(ace_client_unsaved(client, &mut state), ACE_OK);
        assert!(state.length > 0 && state.length <= ACE_CLIENT_STATE_SIZE);
        assert_eq!(
            ace_client_poll_transmit(client, 0, &mut address, &mut out),
            ACE_ERR_UNSAVED
        );
        assert_eq!(ace_client_saved(client), ACE_OK);
        assert_eq!(ace_client_unsaved(client, &mut state), ACE_NOTHING);
        assert_eq!(
            ace_client_poll_transmit(client, 0, &mut address, &mut out),
            ACE_OK
        );
        assert_eq!(ace_client_deinit(client), ACE_OK);
    }
}

#[test]
fn requests_that_cannot_be_are_refused_and_a_good_one_is_taken_after_them() {
    let mut memory = Memory::<ACE_CLIENT_SIZE>::new();
    let client = init_client(&mut memory.0, &client_config(), NO_BYTES).unwrap();
    let address = zeroed::<ace_address>();
    // SAFETY: a live handle; pointers are null or valid.
    unsafe {
        let say = |address: *const _, request: *const _| {
            ace_client_request(client, 0, 0, address, request)
        };
        assert_eq!(say(ptr::null(), &get("/temp")), ACE_ERR_NULL);
        assert_eq!(say(&address, ptr::null()), ACE_ERR_NULL);
        assert_eq!(
            say(
                &address,
                &ace_request {
                    path: ptr::null(),
                    ..get("/")
                }
            ),
            ACE_ERR_NULL
        );
        assert_eq!(say(&address, &get("temp")), ACE_ERR_ARGUMENT);
        assert_eq!(
            say(&address, &request(0x45, "/temp", b"")),
            ACE_ERR_ARGUMENT
        );
        assert_eq!(
            say(
                &address,
                &ace_request {
                    observe: 1,
                    ..request(ACE_PUT, "/led", b"")
                }
            ),
            ACE_ERR_ARGUMENT
        );
        assert_eq!(
            say(&address, &request(ACE_PUT, "/led", &[0; 4096])),
            ACE_ERR_TOO_LONG
        );
        assert_eq!(
            say(
                &address,
                &ace_request {
                    payload: ace_bytes {
                        data: ptr::null(),
                        length: 1
                    },
                    ..get("/temp")
                }
            ),
            ACE_ERR_NULL
        );
        assert_eq!(say(&address, &get("/temp")), ACE_OK);
        assert_eq!(say(&address, &get("/temp")), ACE_ERR_BUSY);
        assert_eq!(
            ace_client_handle(client, 0, 0, &address, ptr::null_mut(), 4),
            ACE_ERR_NULL
        );
        assert_eq!(ace_client_deinit(client), ACE_OK);
    }
}

#[test]
fn a_damaged_state_is_refused_at_every_byte() {
    let mut memory = Memory::<ACE_CLIENT_SIZE>::new();
    let client = init_client(&mut memory.0, &client_config(), NO_BYTES).unwrap();
    let mut state = NO_BYTES;
    // SAFETY: a live handle; the state is lent until the next call.
    let state = unsafe {
        assert_eq!(ace_client_unsaved(client, &mut state), ACE_OK);
        let saved = std::slice::from_raw_parts(state.data, state.length).to_vec();
        assert_eq!(ace_client_deinit(client), ACE_OK);
        saved
    };
    for at in 0..state.len() {
        let mut damaged = state.clone();
        damaged[at] ^= 0x40;
        assert_eq!(
            init_client(&mut memory.0, &client_config(), bytes(&damaged)).unwrap_err(),
            ACE_ERR_STATE
        );
    }
    for length in 1..state.len() {
        assert_eq!(
            init_client(&mut memory.0, &client_config(), bytes(&state[..length])).unwrap_err(),
            ACE_ERR_STATE
        );
    }
    assert!(init_client(&mut memory.0, &client_config(), bytes(&state)).is_ok());

    let (mut newest, empty) = (NO_BYTES, [0xff; 64]);
    // SAFETY: valid pointers.
    unsafe {
        assert_eq!(
            ace_state_newest(bytes(&state), bytes(&empty), &mut newest),
            ACE_OK
        );
        assert_eq!(newest.data, state.as_ptr());
        assert_eq!(
            ace_state_newest(bytes(&empty), NO_BYTES, &mut newest),
            ACE_NOTHING
        );
        // The second is written after the first: nothing was sent before that.
        assert_eq!(
            ace_state_newest(bytes(&state[1..]), bytes(&empty), &mut newest),
            ACE_NOTHING
        );
        assert_eq!(
            ace_state_newest(bytes(&state[1..]), NO_BYTES, &mut newest),
            ACE_ERR_STATE
        );
        assert_eq!(
            ace_state_newest(bytes(&empty), bytes(&state[1..]), &mut newest),
            ACE_ERR_STATE
        );
        assert_eq!(
            ace_state_newest(bytes(&state[1..]), bytes(&state), &mut newest),
            ACE_OK
        );
        assert_eq!(
            ace_state_newest(bytes(&state), bytes(&empty), ptr::null_mut()),
            ACE_ERR_NULL
        );
    }
}

#[test]
fn every_status_has_a_sentence() {
    for status in -20..5 {
        // SAFETY: static text.
        let sentence = unsafe { std::ffi::CStr::from_ptr(ace_status_text(status)) };
        assert!(!sentence.is_empty());
        assert_eq!(
            sentence == c"unknown status",
            !(-12..=1).contains(&status),
            "{status}"
        );
    }
}
