"""A validator for the JSON schemas of the project."""

import re

__all__ = ["complaints"]

KINDS = {"object": dict, "array": list, "string": str, "boolean": bool,
         "integer": int, "number": (int, float), "null": type(None)}
RULES = {"const": lambda value, rule: value == rule,
         "enum": lambda value, rule: value in rule,
         "required": lambda value, rule: set(rule) <= value.keys(),
         "pattern": lambda value, rule: re.search(rule, value),
         "minimum": lambda value, rule: value >= rule,
         "minLength": lambda value, rule: len(value) >= rule,
         "minItems": lambda value, rule: len(value) >= rule,
         "minProperties": lambda value, rule: len(value) >= rule,
         "uniqueItems": lambda value, rule: len(set(value)) == len(value)}


def complaints(value, schema, place="$", root=None):
    """Return the reasons why a value does not follow a JSON schema."""
    found, root = [], root or schema
    for key, rule in schema.items():
        if key == "$ref":
            *_, name = rule.split("/")
            found += complaints(value, root["$defs"][name], place, root)
        elif key == "type":
            kinds = [rule] if isinstance(rule, str) else rule
            if not any(isinstance(value, KINDS[kind]) for kind in kinds) or isinstance(
                    value, bool) and rule != "boolean":
                return [f"{place}: {key}"]
        elif key in ("properties", "additionalProperties"):
            own = schema.get("properties", {})
            for name in value:
                if key == "properties" and name in own:
                    found += complaints(value[name], own[name], f"{place}.{name}",
                                        root)
                elif key == "additionalProperties" and name not in own:
                    found += complaints(value[name], rule, f"{place}.{name}", root) \
                        if rule else [f"{place}: {key}"]
        elif key == "items":
            for item in value:
                found += complaints(item, rule, f"{place}[]", root)
        elif key not in ("$schema", "$defs", "title", "description"):
            found += [] if RULES[key](value, rule) else [f"{place}: {key}"]
    return found
