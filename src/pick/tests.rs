use std::cell::RefCell;
use std::sync::Arc;

use super::*;
use crate::catalog::{Colour, Contract, Crop, Filter, Layout, Network};
use crate::efficientnet::{Family, Scaled};
use crate::measure::tests::measurement;

pub fn choice(network: &str, side: u32, million_macs: f64, top1_percent: f64) -> Choice {
    let network = Network {
        name: network.into(),
        file: "m.onnx".into(),
        sha256: "00".into(),
        labels: "l.txt".into(),
        labels_sha256: "00".into(),
        scaled: Some(Scaled { family: Family::Lite, depth: 1.0, width: 1.0 }),
        million_parameters: 4.6,
        licence: "Apache-2.0".into(),
        source: "test".into(),
    };
    let input = Contract {
        colour: Colour::Rgb,
        layout: Layout::Nchw,
        crop: Crop::Border(32),
        filter: Filter::Bicubic,
        mean: [127.0; 3],
        scale: [128.0; 3],
    };
    Choice {
        name: format!("{}@{side}", network.name),
        network: Arc::new(network),
        input: Arc::new(input),
        side,
        phi: Some(crate::scaling::phi_of_macs(million_macs)),
        million_macs,
        top1_percent: Some(top1_percent),
        top1_source: "test".into(),
        added: false,
    }
}

fn catalog() -> Vec<Choice> {
    vec![
        choice("lite2", 260, 860.0, 77.47),
        choice("lite0", 96, 72.0, 37.5),
        choice("lite0", 224, 385.0, 74.85),
        choice("lite0", 288, 636.0, 75.9), // dominated
        choice("lite1", 240, 600.0, 76.67),
        choice("lite2", 320, 1175.0, 77.8),
    ]
}

/// A machine that takes 2 ms and 0.05 ms for each million multiply-accumulates (p95: a tenth more).
fn simulated(choice: &Choice) -> Result<Measurement, MeasureError> {
    Ok(measurement(choice, 2.0 + 0.05 * choice.million_macs, 50.0 + choice.million_macs / 20.0))
}

fn ms(frame_ms: f64) -> Budget {
    Budget { frame_ms: Some(frame_ms), ..Budget::default() }
}

fn picked(budget: Budget) -> Result<Pick, PickError> {
    let choices = catalog();
    pick(&choices.iter().collect::<Vec<_>>(), budget, simulated)
}

#[test]
fn at_any_budget_it_is_the_largest_that_fits_as_trying_all_would_find() {
    for tenth_ms in 50..900 {
        let budget = ms(f64::from(tenth_ms) / 10.0);
        let fits =
            |c: &&Choice| simulated(c).unwrap().total_ms.p95 <= budget.frame_ms.unwrap() && c.name != "lite0@288";
        let choices = catalog();
        let best = choices.iter().filter(fits).max_by(|a, b| a.million_macs.total_cmp(&b.million_macs));
        match (picked(budget), best) {
            (Ok(pick), Some(best)) => assert_eq!(pick.choice.name, best.name, "{budget}"),
            (Err(PickError::NothingFits(_)), None) => {}
            (found, expected) => panic!("{budget}: {found:?} for {expected:?}"),
        }
    }
}

#[test]
fn the_reason_names_the_limit_that_bound_and_what_the_next_one_needs() {
    let said = |budget: Budget| reason(&picked(budget).unwrap());
    let time = said(ms(36.0));
    assert!(time.contains("lite1@240 (φ 0.68): 35.2 ms at p95, 80 MiB; the next, lite2@260, takes 49.5 ms"), "{time}");
    let memory = said(Budget { memory_mib: Some(90.0), ..ms(500.0) });
    assert!(memory.contains("lite1@240") && memory.contains("the next, lite2@260, needs 93.0 MiB"), "{memory}");
    let work = said(Budget { million_macs: Some(800.0), ..ms(500.0) });
    assert!(work.contains("lite1@240") && work.contains("the next, lite2@260, needs 860.0 M MACs"), "{work}");
    let catalog = said(ms(110.0));
    assert!(catalog.contains("lite2@320") && catalog.contains("the catalog is the limit"), "{catalog}");
    // (110 / 1.1 − 2) / 0.05 = 1960 M
    assert!(catalog.contains("this machine could afford about φ 2.49 (1960 M MACs)"), "{catalog}");
}

#[test]
fn a_choice_that_another_beats_is_never_measured() {
    let measured = RefCell::new(Vec::new());
    let choices = catalog();
    let pick = pick(&choices.iter().collect::<Vec<_>>(), ms(60.0), |choice| {
        measured.borrow_mut().push(choice.name.clone());
        simulated(choice)
    })
    .unwrap();
    let dominated = pick.candidates.iter().find(|c| c.choice.name == "lite0@288").unwrap();
    assert_eq!(dominated.verdict, Verdict::Dominated { by: "lite1@240".into() });
    assert!(!measured.borrow().contains(&"lite0@288".to_string()));
    assert!(measured.borrow().len() <= 4, "{measured:?}");
}

#[test]
fn nothing_fits_says_what_the_smallest_needs() {
    let said = picked(ms(3.0)).unwrap_err().to_string();
    assert!(
        said.contains("the smallest, lite0@96 (φ -2.57), needs 7 ms a frame at p95, 72 M MACs and 54 MiB"),
        "{said}"
    );
    let said = picked(Budget { million_macs: Some(50.0), ..Budget::default() }).unwrap_err().to_string();
    assert!(said.contains("lite0@96") && said.contains("needs 72.0 M MACs"), "{said}");
}

#[test]
fn what_cannot_run_at_all_is_not_told_as_a_matter_of_the_budget() {
    let choices = catalog();
    let choices: Vec<&Choice> = choices.iter().collect();
    let broken =
        |choice: &Choice| Err(MeasureError::Failed { choice: choice.name.clone(), cause: "file is gone".into() });
    let error = pick(&choices, ms(66.0), broken).unwrap_err();
    assert!(matches!(&error, PickError::NothingRuns(cause) if cause == "file is gone"), "{error}");
}

#[test]
fn without_any_limit_it_is_the_largest_after_two_measurements() {
    let pick = picked(Budget::default()).unwrap();
    assert_eq!((pick.choice.name.as_str(), pick.bound), ("lite2@320", Bound::Catalog));
    assert_eq!(pick.candidates.iter().filter(|c| c.measurement.is_some()).count(), 2);
}

#[test]
fn a_choice_that_cannot_run_is_passed_over() {
    let choices = catalog();
    let broken = |choice: &Choice| match choice.name.as_str() {
        "lite2@320" | "lite0@96" => Err(MeasureError::Failed { choice: choice.name.clone(), cause: "killed".into() }),
        _ => simulated(choice),
    };
    let pick = pick(&choices.iter().collect::<Vec<_>>(), ms(500.0), broken).unwrap();
    assert_eq!((pick.choice.name.as_str(), pick.bound), ("lite2@260", Bound::Failure));
    assert!(reason(&pick).contains("the next, lite2@320, cannot be run (killed)"));
}

#[test]
fn what_is_not_measured_yet_ends_the_picking() {
    let choices = catalog();
    let never = |choice: &Choice| Err(MeasureError::NotYet(choice.name.clone()));
    let ended = pick(&choices.iter().collect::<Vec<_>>(), ms(50.0), never);
    assert!(matches!(ended, Err(PickError::Measure(MeasureError::NotYet(_)))));
}
