use voxproof::{audio, features::*};
use rayon::prelude::*;
fn main() {
    let list: Vec<String> = std::io::stdin().lines().map(|l| l.unwrap()).collect();
    let ex = Extractor::new(FeatureSet::Classic);
    let rows: Vec<String> = list.par_iter().map_init(Scratch::default, |s, f| {
        let b = std::fs::read(format!("/work/shared/speech/{f}")).unwrap();
        match audio::decode(&b, &Default::default()) { Ok(w) => match ex.extract(&w, s) { Ok(v) => format!("{{\"file\":{f:?},\"n\":{},\"f\":{:?}}}", w.samples().len(), v.values), Err(e) => format!("{{\"file\":{f:?},\"error\":{:?}}}", e.to_string()) }, Err(e) => format!("{{\"file\":{f:?},\"error\":{:?}}}", e.to_string()) }
    }).collect();
    for r in rows { println!("{r}"); }
}
