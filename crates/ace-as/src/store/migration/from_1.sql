-- The tables of version 1 step aside before those of this version are made.
DROP INDEX token_key_rs;
DROP INDEX grant_rs;
DROP INDEX token_hash;
DROP INDEX token_exp;
DROP INDEX token_input_material;
ALTER TABLE meta           RENAME TO meta_1;
ALTER TABLE counter        RENAME TO counter_1;
ALTER TABLE peer           RENAME TO peer_1;
ALTER TABLE client         RENAME TO client_1;
ALTER TABLE rs             RENAME TO rs_1;
ALTER TABLE token_key      RENAME TO token_key_1;
ALTER TABLE grant_         RENAME TO grant_1;
ALTER TABLE input_material RENAME TO input_material_1;
ALTER TABLE token          RENAME TO token_1;
