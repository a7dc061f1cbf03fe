// Package read fetches what package secrets judges: one workload's template,
// its pods, the metadata of the Secrets it names, and the objects of the sync
// operators in its namespace. Of a Secret nothing but metadata is asked for:
// the API server sends no value. Every read is bounded, several run side by
// side, and what may not be read is said and not guessed.
package read
