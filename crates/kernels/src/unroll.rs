//! Loops written out: only then does the compiler keep an array of registers in registers.

/// `each!(count, |place| { … })`: the block once for each place below `count`, at most 17, a constant.
macro_rules! each {
    ($count:expr, |$place:ident| $body:block) => {
        each!(@ $count, $place, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    };
    (@ $count:expr, $place:ident, $body:block, $($number:literal)*) => {{
        $(if $number < $count {
            let $place: usize = $number;
            $body
        })*
    }};
}
pub(crate) use each;
