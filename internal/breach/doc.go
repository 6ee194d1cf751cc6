// Package breach knows passwords that have been in data breaches: by a filter
// file that an operator builds from a list, and by the range API of Have I Been
// Pwned or one like it. It knows no user and no database.
//
// A password's key is the first 64 bits of the SHA-1 of its UTF-8 bytes: so a
// list of passwords and one of SHA-1 hashes make the same file. Two passwords
// with one key are a chance of 1 in 20 billion for a list of a billion.
//
// The filter file, all numbers little-endian:
//
//	header     64 bytes: magic, version, kind of key, bits, shards, keys, where
//	           the directory begins, its checksum and the header's
//	shards     fingerprints of a binary fuse filter each, of 8 or 16 bits, for up
//	           to 2^17 keys that follow each other
//	directory  for each shard its first key, its filter's parameters and the
//	           checksum of its fingerprints (CRC-32C)
//
// A binary fuse filter never misses a key that it was made of and takes one for
// another that it was not by chance: 1 in 256 with 8 bits, 1 in 65,536 with 16.
//
// A look-up reads its one shard and checks it: the file is neither mapped, so
// that one which is cut short under the server is an error and not its end, nor
// held in memory, and no answer is given from damaged bytes. Compared with the
// hash that is made of a good password this is nothing.
//
// To the range API go the first five hex digits of the SHA-1, which some
// thousands of listed passwords share, and nothing else.
package breach
