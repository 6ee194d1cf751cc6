package keyring

import "fmt"

// Seal seals data that is kept beside the keys under the seal key. Under another
// label it does not open.
func Seal(sealKey []byte, label string, plain []byte) ([]byte, error) {
	aead, err := newSeal(sealKey)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plain, []byte(label)), nil
}

// Unseal gives what Seal was given.
func Unseal(sealKey []byte, label string, sealed []byte) ([]byte, error) {
	aead, err := newSeal(sealKey)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed, []byte(label))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: keys.seal_key is not the one that it was sealed with, or it was tampered with", label, ErrSealed)
	}
	return plain, nil
}
