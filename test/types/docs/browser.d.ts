// What code blocks of the documentation may take as given: the runes that Svelte's compiler knows.
/// <reference types="svelte" />
