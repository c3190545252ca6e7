package inventtest

import (
	"regexp"
	"strings"
	"time"

	"inventbot/invent"
)

// object is a JSON object. The methods below that make one must be called with the lock held.
type object = map[string]any

// chatJSON is a whole Chat, including all that a client shouldn't use.
func (i *Invent) chatJSON(c *Chat) any {
	o := object{
		"id": c.ID, "title": "", "org_id": "org_1", "status": "COMPLETED", "visibility": "PRIVATE", "pinned": false,
		"created_at": date(c.CreatedAt), "updated_at": date(c.UpdatedAt), "state": i.stateJSON(c),
	}
	contact := object{"id": "con_" + c.ID, "name": orNull(c.Customer), "blocked": false, "is_admin": false}
	channel := object{
		"id": "cch_" + c.ID, "type": c.Channel, "name": "", "username": "", "email": CustomerEmail, "phone": CustomerPhone,
		"country": "DE", "language": c.Language, "ip": "203.0.113.7", "agent": "Mozilla/5.0", "contact": contact,
	}
	if c.Bare {
		channel = object{"id": "cch_" + c.ID, "contact": contact}
	}
	o["members"] = []object{
		{"id": "prt_1", "role": "ADMIN", "user": object{"id": "usr_owner", "name": "Owner", "avatar": nil}},
		{"id": "prt_2", "role": "MEMBER", "contact_channel": channel},
	}
	return o
}

// stateJSON is a ChatState. Its id differs from the chat's, for no documentation says that they are equal.
func (i *Invent) stateJSON(c *Chat) any {
	o := object{
		"id": "state_of_" + c.ID, "state": c.State, "integration_id": c.Channel, "assistant_id": "ast_1", "assistant_integration_id": "asi_1",
		"conversation_id": "cnv_" + c.ID, "ai_enabled": c.AIEnabled, "admin_unseen_count": c.Unseen, "user_unseen_count": 0,
	}
	if m := i.member(c.AssigneeID); m != nil {
		id := m.ID
		if i.byUserID {
			id = m.UserID
		}
		o["assigned_user"] = object{"id": id, "name": m.Name, "email": m.Email, "avatar": nil, "seen_at": date(c.UpdatedAt)}
		o["assigned_at"] = date(c.AssignedAt)
	}
	if c.Bare {
		return o
	}
	talk := object{
		"welcome_banner": "Hello!", "suggested_messages": []string{"Where is my order?"}, "auto_intro_message": nil,
		"enable_auto_csat": true, "enable_ai_replies": true,
	}
	o["assistant"] = object{
		"id": "ast_1", "name": c.Assistant, "enabled": true, "avatar_url": nil, "deleted": false, "config": object{"conversation": talk},
	}
	o["assistant_integration"] = object{"id": "asi_1", "enabled": true, "has_connection": true}
	o["assistant_config"] = object{
		"language": "auto", "model": "large", "stt": object{"model": "stt"}, "tts": object{"model": "tts", "voice_id": "v"},
		"conversation": talk, "knowledge_scope": "all", "timezone": "Europe/Berlin", "instructions": SecretPrompt,
	}
	o["assigned_at"] = date(c.AssignedAt)
	o["follow_up_at"] = date(c.FollowUpAt)
	o["muted_until"] = date(c.MutedUntil)
	o["last_contact_message_at"] = date(c.LastContactMessageAt)
	o["csat_score"] = nil
	if c.CSAT != 0 {
		o["csat_score"] = c.CSAT
	}
	return o
}

func (i *Invent) memberJSON(m *invent.Member) any {
	return object{
		"id": m.ID, "user_id": m.UserID, "org_id": "org_1", "name": m.Name, "email": m.Email, "avatar": nil, "role": m.Role, "status": m.Status,
		"preferences": object{"notifications": object{"assigned_to_me": object{"enabled": true}}},
		"created_at":  "2025-01-01T00:00:00.000000Z", "updated_at": "2025-01-01T00:00:00.000000Z", "seen_at": nil,
	}
}

// date is a date as Invent writes it, null for none.
func date(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// openAPI is the OpenAPI document of what is served now.
func (i *Invent) openAPI() any {
	paths := object{}
	for _, r := range table {
		if i.leftOut[r.name()] {
			continue
		}
		params := []object{}
		for _, m := range parameter.FindAllStringSubmatch(r.path, -1) {
			params = append(params, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}})
		}
		for _, q := range r.query {
			params = append(params, object{"name": q, "in": "query", "schema": object{"type": "string"}})
		}
		op := object{"parameters": params, "responses": object{"200": object{
			"description": "OK",
			"content":     object{"application/json": object{"schema": object{"$ref": "#/components/schemas/" + r.schema}}},
		}}}
		if r.body != nil {
			props := object{}
			for _, p := range r.body {
				if !i.leftOut[r.name()+" "+p] {
					props[p] = properties[p]
				}
			}
			schema := object{"type": "object", "properties": props}
			if r.schema == "ChatState" {
				schema["required"] = r.body
			}
			op["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": schema}}}
		}
		if paths[r.path] == nil {
			paths[r.path] = object{}
		}
		paths[r.path].(object)[strings.ToLower(r.method)] = op
	}
	list := func(of object) object { return object{"type": "array", "items": of} }
	chat := object{"$ref": "#/components/schemas/Chat"}
	return object{
		"openapi": "3.1.0", "info": object{"title": "Invent API", "version": "1.0.0"}, "servers": []object{{"url": i.srv.URL}},
		"security": []object{{"key": []string{}}}, "paths": paths,
		"components": object{
			"securitySchemes": object{"key": object{"type": "http", "scheme": "bearer"}},
			"schemas": object{
				"Chat": object{"type": "object", "required": []string{"id", "state"}, "properties": object{
					"id": object{"type": "string"}, "state": object{"$ref": "#/components/schemas/ChatState"},
				}},
				"ChatState": object{"type": "object", "required": []string{"id", "state", "integration_id", "ai_enabled"}, "properties": object{
					"id": object{"type": "string"}, "state": properties["state"], "integration_id": object{"type": "string"},
					"ai_enabled": properties["ai_enabled"],
				}},
				"ChatInfo": object{"type": "object", "properties": object{"newest_chat_id": properties["member_id"]}},
				"Chats":    list(chat), "Members": list(object{"type": "object"}), "Memories": list(object{"type": "object"}),
				"Event": object{"type": "object", "properties": object{"type": object{"type": "string"}, "data": chat}},
			},
		},
	}
}

var (
	parameter  = regexp.MustCompile(`\{(\w+)\}`)
	properties = object{
		"member_id":  object{"type": []string{"string", "null"}},
		"ai_enabled": object{"type": "boolean"},
		"state":      object{"type": "string", "enum": []string{"OPEN", "SNOOZED", "CLOSED"}},
	}
)
