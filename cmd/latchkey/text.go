package main

// The longest names and phone numbers in characters, as in the guide's models.
const (
	maxName  = 150
	maxPhone = 20
)
