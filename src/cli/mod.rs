//! TEMP
pub mod check;
mod exit;
pub mod project;
pub mod sandbox;
pub mod token;
pub use exit::Exit;
#[derive(Debug, Clone)]
pub struct Global {
    pub project: std::path::PathBuf,
    pub json: bool,
    pub quiet: bool,
}
pub fn main() -> u8 {
    0
}
