-- What version 1 held, in the tables of version 2. It knew coap_oscore alone (4 in `profiles`).
INSERT INTO meta SELECT name, value FROM meta_1 WHERE name <> 'schema';
INSERT INTO counter SELECT name, next FROM counter_1;
INSERT INTO peer (id, recipient_id, sender_id, master_secret, master_salt, id_context, alg, hkdf, reserved)
SELECT id, recipient_id, sender_id, master_secret, master_salt, id_context, alg, hkdf, reserved FROM peer_1;
INSERT INTO client (id, name, peer, profiles) SELECT id, name, peer, profiles & 4 FROM client_1;
INSERT INTO rs (id, name, audience, peer, profiles, clockless, token_alg)
SELECT id, name, audience, peer, profiles & 4, clockless,
    (SELECT alg FROM token_key_1 WHERE token_key_1.rs = rs_1.id AND state = 0) FROM rs_1;
INSERT INTO token_key (kid, rs, alg, k, state) SELECT kid, rs, alg, k, state FROM token_key_1;
INSERT INTO grant_ (client, rs, kind, object, methods) SELECT client, rs, kind, object, methods FROM grant_1;
INSERT INTO pop_key (client, rs, kid, profile, k, salt, created)
SELECT client, rs, id, 4, ms, salt, created FROM input_material_1;
INSERT INTO token (cti, hash, client, rs, scope, iat, exp, kid)
SELECT cti, hash, client, rs, scope, iat, exp, input_material FROM token_1;
-- Children first.
DROP TABLE token_1;
DROP TABLE input_material_1;
DROP TABLE grant_1;
DROP TABLE token_key_1;
DROP TABLE rs_1;
DROP TABLE client_1;
DROP TABLE peer_1;
DROP TABLE counter_1;
DROP TABLE meta_1;
