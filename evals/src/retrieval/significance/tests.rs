use super::*;

const DRAWS: Draws = Draws { resamples: 10_000, seed: 7 };

/// 200 values spread evenly over 0 to 1.
fn spread() -> Vec<f64> {
    (0..200).map(|n| f64::from(n) / 199.0).collect()
}

#[test]
fn the_generator_gives_the_published_numbers() {
    let mut random = SplitMix(1_234_567);
    let numbers = [random.next(), random.next(), random.next()];
    assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
}

#[test]
fn the_same_seed_gives_the_same_interval_and_another_seed_another() {
    let interval = |seed| confidence_interval(&spread(), 0.95, Draws { resamples: 500, seed }).unwrap();
    assert_eq!(interval(1), interval(1));
    assert_ne!(interval(1), interval(2));
}

#[test]
fn the_interval_of_many_values_is_about_two_standard_errors_to_each_side() {
    let interval = confidence_interval(&spread(), 0.95, DRAWS).unwrap();
    let values = spread();
    let variance = values.iter().map(|v| (v - 0.5).powi(2)).sum::<f64>() / 200.0;
    let reach = 1.96 * (variance / 200.0).sqrt();
    assert!((interval.mean - 0.5).abs() < 1e-12);
    assert!((interval.low - (0.5 - reach)).abs() < 0.003, "{interval:?}");
    assert!((interval.high - (0.5 + reach)).abs() < 0.003, "{interval:?}");
}

#[test]
fn values_without_spread_have_an_interval_without_width() {
    let interval = confidence_interval(&[0.25; 8], 0.95, DRAWS).unwrap();
    assert_eq!((interval.low, interval.high), (0.25, 0.25));
}

#[test]
fn few_queries_are_tossed_in_every_way_and_the_p_value_is_exact() {
    // Of the 2^4 ways only the one seen and its mirror image reach a difference of 0.25.
    let test = paired_randomisation(&[0.5, 0.6, 0.7, 0.8], &[0.4, 0.4, 0.4, 0.4], DRAWS).unwrap();
    assert!((test.difference - 0.25).abs() < 1e-12);
    assert_eq!(test.p_value, 2.0 / 16.0);
}

#[test]
fn a_run_compared_with_itself_differs_by_chance_alone() {
    let values = spread();
    for test in [paired_bootstrap, paired_randomisation] {
        let outcome = test(&values, &values, DRAWS).unwrap();
        assert_eq!(outcome, PairedTest { difference: 0.0, p_value: 1.0 });
    }
}

#[test]
fn a_gain_on_nearly_every_query_is_significant_and_a_wavering_one_is_not() {
    let base = spread();
    let steady: Vec<f64> =
        base.iter().enumerate().map(|(n, v)| v + if n % 5 == 0 { -0.01 } else { 0.05 }).collect();
    let wavering: Vec<f64> =
        base.iter().enumerate().map(|(n, v)| v + if n % 2 == 0 { -0.19 } else { 0.2 }).collect();
    for test in [paired_bootstrap, paired_randomisation] {
        assert!(test(&steady, &base, DRAWS).unwrap().p_value < 0.001);
        assert!(test(&wavering, &base, DRAWS).unwrap().p_value > 0.2);
    }
}

#[test]
fn swapping_the_runs_turns_the_difference_and_keeps_the_p_value() {
    let (first, second) = ([0.9, 0.3, 0.8, 0.6, 0.5], [0.5, 0.4, 0.6, 0.6, 0.1]);
    for test in [paired_bootstrap, paired_randomisation] {
        let (there, back) = (test(&first, &second, DRAWS).unwrap(), test(&second, &first, DRAWS).unwrap());
        assert!((there.difference + back.difference).abs() < 1e-12);
        assert_eq!(there.p_value, back.p_value);
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let none = Draws { resamples: 0, seed: 0 };
    assert_eq!(
        paired_bootstrap(&[1.0], &[1.0, 0.0], DRAWS),
        Err(SignificanceError::NotPaired { first: 1, second: 2 })
    );
    assert_eq!(paired_randomisation(&[], &[], DRAWS), Err(SignificanceError::Nothing));
    assert_eq!(paired_bootstrap(&[1.0], &[0.0], none), Err(SignificanceError::Nothing));
    assert_eq!(confidence_interval(&[1.0], 95.0, DRAWS), Err(SignificanceError::Level));
}
