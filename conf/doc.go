// Package conf reads Flume configuration files: the properties syntax with the place of every key and value, ${...},
// agents and their wiring, the decoding of a component's properties into a settings struct, and the diagnostics for all
// that is wrong, told at once. It does no I/O but reading the files it is given and running configured filters.
package conf
