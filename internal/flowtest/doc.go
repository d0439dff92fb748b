// Package flowtest holds what components are tested with: one conformance suite for each family, which every type of it
// passes, and fakes that stand in for the rest of the flow.
package flowtest
