//! The browser, opened on the page. When there is none, the printed address has to do.

use std::process::{Command, Stdio};

/// Asks the desktop to open an address, and waits for nothing.
pub(super) fn open(address: &str) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let started =
        Command::new(opener).arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if let Ok(mut child) = started {
        // Its end has to be collected by somebody.
        std::thread::spawn(move || child.wait());
    }
}
