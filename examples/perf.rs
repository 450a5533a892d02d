use std::time::Instant;
fn main() {
    let base = relance::cli::project::read_files(std::path::Path::new(".")).unwrap();
    for n in [100usize, 1000, 3000] {
        let mut files = base.clone();
        let flows: Vec<(String, String)> = base
            .iter()
            .filter(|(p, _)| p.starts_with("workflows/") && p.ends_with(".yaml"))
            .map(|(p, t)| (p.clone(), t.clone()))
            .collect();
        for i in 0..n {
            let (_, t) = &flows[i % flows.len()];
            files.insert(format!("workflows/w{i}.yaml"), t.clone());
        }
        let at = Instant::now();
        let loaded = relance::workflow::check(&files, 1_772_442_000_000);
        println!("{n}: {:?} {} {}", at.elapsed(), loaded.diagnostics.len(), loaded.project.unwrap().workflows.len());
    }
}
