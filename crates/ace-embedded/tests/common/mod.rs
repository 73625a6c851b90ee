pub mod nor;
