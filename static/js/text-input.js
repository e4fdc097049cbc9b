const TEXT_INPUTS = "input:not([type=checkbox], [type=radio], [type=file]), select, textarea";

// Return whether a key that is pressed in `element` types a character there.
export function isTextInput(element) {
  return element.isContentEditable || element.matches(TEXT_INPUTS);
}
