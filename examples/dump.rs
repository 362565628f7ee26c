fn main() {
    let a: Vec<String> = std::env::args().collect();
    for f in &a[2..] {
        let d = std::fs::read(f).unwrap();
        let t0 = std::time::Instant::now();
        let r = voxproof::audio::decode(&d, &Default::default());
        let e = t0.elapsed();
        match r {
            Ok(w) => {
                let b: Vec<u8> = w.samples().iter().flat_map(|s| s.to_le_bytes()).collect();
                let n = std::path::Path::new(f)
                    .file_name()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_string();
                std::fs::write(format!("{}/{}.f32", a[1], n), b).unwrap();
                println!("{f} {} {e:?}", w.samples().len());
            }
            Err(x) => println!("{f} ERR {x}"),
        }
    }
}
