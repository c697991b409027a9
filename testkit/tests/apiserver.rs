//! The in-memory API server as a plain HTTP client sees it.

mod apiserver {
    mod access;
    mod client;
    mod faults;
    mod lists;
    mod population;
    mod tls;
    mod watches;
    mod writes;
}
