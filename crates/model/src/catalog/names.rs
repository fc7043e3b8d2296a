//! Names of networks and variants as people write them, such as `EfficientNet-Lite0` or `LITE0@224`.

use super::{Catalog, CatalogError, Variant};
use crate::efficientnet::ReleasedNetwork;
use phicam_platform::config_file::did_you_mean;

/// Returns a name without case, separators and the family's name: `lite0@224` of `EfficientNet-Lite0@224`.
fn normalised(name: &str) -> String {
    let plain: String =
        name.to_lowercase().chars().filter(|letter| letter.is_alphanumeric() || *letter == '@').collect();
    let without_framework = plain.strip_prefix("tf").filter(|rest| rest.starts_with("efficientnet"));
    let plain = without_framework.unwrap_or(&plain);
    plain.strip_prefix("efficientnet").filter(|rest| !rest.is_empty()).unwrap_or(plain).into()
}

impl Catalog {
    /// Returns the variants that a name selects: one (`lite0@192`), or all of a network (`lite0`).
    ///
    /// Case, separators and the prefix `EfficientNet-` do not matter, unless two networks differ by these alone.
    pub fn matching(&self, name: &str) -> Result<Vec<&Variant>, CatalogError> {
        let exact = self.selected(|known| known == name);
        if !exact.is_empty() {
            return Ok(exact);
        }
        let wanted = normalised(name);
        let alike = self.selected(|known| normalised(known) == wanted);
        let is_one_network = alike.iter().all(|variant| variant.network.name == alike[0].network.name);
        if alike.is_empty() || !is_one_network { Err(self.unknown_model(name)) } else { Ok(alike) }
    }

    /// Returns the catalog's spelling of a name that [`Catalog::matching`] accepts: that of the variant or the network.
    pub fn spelling(&self, name: &str) -> Result<&str, CatalogError> {
        let selected = self.matching(name)?;
        let (Some(first), wanted) = (selected.first(), normalised(name)) else { return Err(self.unknown_model(name)) };
        let is_variant = first.name == name || first.network.name != name && normalised(&first.name) == wanted;
        Ok(if is_variant { &first.name } else { &first.network.name })
    }

    fn selected(&self, is_name: impl Fn(&str) -> bool) -> Vec<&Variant> {
        self.variants.iter().filter(|variant| is_name(&variant.name) || is_name(&variant.network.name)).collect()
    }

    /// Returns the error for a name that no variant and no network has.
    pub(super) fn unknown_model(&self, name: &str) -> CatalogError {
        let names = || self.variants.iter().map(|variant| variant.name.as_str());
        let known = names().collect::<Vec<_>>().join(", ");
        let network = normalised(name.split('@').next().unwrap_or_default());
        let hint = match ReleasedNetwork::by_name(&network) {
            Some(released) if self.selected(|known| known == released.name).is_empty() => {
                self.without_weights(released)
            }
            _ => did_you_mean(&normalised(name), names()),
        };
        CatalogError::Unknown { name: name.into(), hint, known }
    }

    /// Returns the hint for a released network whose weights are not in the catalog.
    fn without_weights(&self, released: &ReleasedNetwork) -> String {
        let name = released.name;
        let phi = released.scale().phi();
        let distance = |variant: &Variant| variant.phi.map_or(f64::INFINITY, |other| (other - phi).abs());
        let nearest = self.variants.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let nearest = nearest.map_or(String::new(), |variant| format!("; nearest in scale: --model {}", variant.name));
        format!("; the weights of {name} are not included, `phicam models add FILE --name {name}` adds them{nearest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_separators_and_family_are_dropped() {
        for name in
            ["lite0@224", "LITE0@224", "EfficientNet-Lite0@224", "efficientnet_lite0@224", "tf_efficientnet_lite0@224"]
        {
            assert_eq!(normalised(name), "lite0@224", "{name}");
        }
        assert_eq!(normalised("EfficientNet"), "efficientnet");
        assert_eq!(normalised("tf-birds"), "tfbirds");
        assert_eq!(normalised("EfficientNet B0"), "b0");
    }
}
