
mod bad;
