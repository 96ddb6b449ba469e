/**
 * The server's content security policy forbids style elements and style attributes that a script
 * makes (`style-src 'self'`): whoever could smuggle HTML into the page could not even restyle it.
 * xterm.js writes both. Here they get what the policy does allow, which has the same effect: a
 * constructed style sheet, and the `style` property. This module is imported before all others.
 */

const createElement = document.createElement;

document.createElement = function (this: Document, name: string, options?: ElementCreationOptions) {
  if (String(name).toLowerCase() !== "style") return createElement.call(this, name, options);
  return constructedStyle(createElement.call(this, "span"));
} as typeof document.createElement;

/** An element that takes CSS as its text, as a style element does, until it is removed. */
function constructedStyle(element: HTMLElement): HTMLElement {
  const sheet = new CSSStyleSheet();
  let css = "";
  element.hidden = true;
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, "textContent", {
    get: () => css,
    set: (text: string) => {
      css = text;
      sheet.replaceSync(text);
    },
  });
  element.remove = () => {
    Element.prototype.remove.call(element);
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
  };
  return element;
}

const setAttribute = Element.prototype.setAttribute;

Element.prototype.setAttribute = function (name: string, value: string) {
  if (name === "style" && this instanceof HTMLElement) this.style.cssText = value;
  else setAttribute.call(this, name, value);
};
