"""The services of Apudiaari and the chassis they stand on."""
