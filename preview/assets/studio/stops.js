// One stop of the Tab key for a group of buttons, which may be hundreds; the arrow keys move inside it.

const PRESSED = { childList: true, subtree: true, attributeFilter: ["aria-pressed"] };

// The stop is the pressed button, or the first. Left, right, up, down, Home and End move the focus and press nothing.
export function oneStop(group) {
  const stopAt = (stop) => { for (const button of group.children) button.tabIndex = button === stop ? 0 : -1; };
  const update = () => stopAt(group.querySelector('[aria-pressed="true"]') ?? group.firstElementChild);
  new MutationObserver(update).observe(group, PRESSED);
  update();
  group.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const buttons = [...group.children];
    const target = buttons[place(event.key, buttons, buttons.indexOf(document.activeElement))];
    if (!target) return;
    event.preventDefault();
    stopAt(target);
    target.focus();
  });
}

// The index of the button that a key leads to from the one at `at`; may be outside the group.
function place(key, buttons, at) {
  const inRow = buttons.filter((button) => button.offsetTop === buttons[0].offsetTop).length;
  const steps = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - inRow, ArrowDown: at + inRow, Home: 0, End: buttons.length - 1 };
  return at < 0 ? undefined : steps[key];
}
